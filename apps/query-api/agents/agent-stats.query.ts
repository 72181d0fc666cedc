import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';
import type { PartRows } from '../reading/tenant-rows';

const agentStatsTtlMs = 10_000;

/** What each agent has to do; of one agent when `agentId` is given. */
export class GetAgentStats extends Query<Representation | null> {
  constructor(
    readonly reader: Reader,
    readonly agentId: string | null,
  ) {
    super();
  }
}

@QueryHandler(GetAgentStats)
export class GetAgentStatsHandler implements IQueryHandler<GetAgentStats> {
  constructor(private readonly reads: Reads) {}

  async execute({ reader, agentId }: GetAgentStats): Promise<Representation | null> {
    return this.reads.answer(reader, {
      tiers: ['oltp'],
      cache: { route: 'agent-stats', parameters: [agentId], ttlMs: agentStatsTtlMs },
      load: async (from) => {
        const found = await from.all('oltp', (rows) => rows.each((part) => deskOf(part, agentId)));
        const items = agentStats(found);
        if (agentId === null) return new Representation(JSON.stringify({ items }));
        return items[0] === undefined ? null : new Representation(JSON.stringify(items[0]));
      },
    });
  }
}

/** What one part knows of an agent: who it is, or what lies on the desk from the conversations of that part. */
interface Desk {
  readonly agentId: string;
  /** Null in parts that do not hold the user. */
  readonly name: string | null;
  readonly status: string | null;
  readonly openConversations: number;
  readonly pendingConversations: number;
  readonly totalUnread: number;
}

function deskOf({ schema, tenantId, served, query }: PartRows, agentId: string | null): Promise<Desk[]> {
  const ofAgent = (column: string): string => (agentId === null ? '' : `and ${column} = $2::uuid`);
  const figure = (column: string): string => `coalesce(s.${column}, 0)::int`;
  return query<Desk & Record<string, unknown>>(
    agentId === null ? 'agents-stats' : 'agent-stats',
    `select coalesce(u.id, s.agent_id) as "agentId", u.name, u.status,
       ${figure('open')} as "openConversations", ${figure('pending')} as "pendingConversations",
       ${figure('unread')} as "totalUnread"
     from (select id, name, status from ${schema}.users
           where tenant_id = $1 ${ofAgent('id')}${served()}) u
     full join (select agent_id, sum(open_conversations) as open, sum(pending_conversations) as pending,
                       sum(total_unread) as unread
                from ${schema}.agent_inbox_summary
                where tenant_id = $1 ${ofAgent('agent_id')}${served()} group by agent_id) s on s.agent_id = u.id`,
    [tenantId, ...(agentId === null ? [] : [agentId])],
  );
}

/** An agent's figures lie in one row per slot, so that slots can move between shards: the sum is the figure. */
function agentStats(desks: readonly Desk[]): Desk[] {
  const sums = new Map<string, Desk>();
  for (const desk of desks) {
    const sum = sums.get(desk.agentId);
    sums.set(desk.agentId, {
      agentId: desk.agentId,
      name: sum?.name ?? desk.name,
      status: sum?.status ?? desk.status,
      openConversations: (sum?.openConversations ?? 0) + desk.openConversations,
      pendingConversations: (sum?.pendingConversations ?? 0) + desk.pendingConversations,
      totalUnread: (sum?.totalUnread ?? 0) + desk.totalUnread,
    });
  }
  const known = [...sums.values()].filter(({ name }) => name !== null);
  return known.sort((one, other) => (one.agentId < other.agentId ? -1 : 1));
}
