import { Query, QueryHandler, type IQueryHandler } from '@nestjs/cqrs';
import { jsonObject } from '../reading/row-json';
import { Reads, type Reader } from '../reading/reads';
import { Representation } from '../reading/representation';

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
      load: (from) =>
        from('oltp', async ({ schema, tenantId, query }) => {
          const [row] = await query<{ items: string; first: string | null }>(
            agentId === null ? 'agents-stats' : 'agent-stats',
            agentStats(schema, agentId !== null),
            [tenantId, ...(agentId === null ? [] : [agentId])],
          );
          if (agentId === null) return new Representation(`{"items":${row?.items ?? '[]'}}`);
          return row?.first == null ? null : new Representation(row.first);
        }),
    });
  }
}

/** An agent's figures lie in one row per slot, so that slots can move between shards: the sum is the figure. */
function agentStats(schema: string, ofOne: boolean): string {
  const figure = (column: string): string => `coalesce(sum(s.${column}), 0)::int`;
  const item = jsonObject({
    agentId: 'u.id',
    name: 'u.name',
    status: 'u.status',
    openConversations: figure('open_conversations'),
    pendingConversations: figure('pending_conversations'),
    totalUnread: figure('total_unread'),
  });
  return `
    select coalesce(json_agg(item order by id), '[]')::text as items, (json_agg(item)->0)::text as first
    from (select u.id, ${item} as item
          from ${schema}.users u
          left join ${schema}.agent_inbox_summary s on s.tenant_id = $1 and s.agent_id = u.id
          where u.tenant_id = $1 ${ofOne ? 'and u.id = $2::uuid' : ''}
          group by u.id, u.name, u.status) agents`;
}
