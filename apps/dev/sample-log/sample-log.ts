import { tenantIds } from '../../shared/ids/tenant-ids';
import type { KeyRing } from '../../shared/keys/key-ring';
import { Random } from './random';
import { SampleConversation } from './sample-conversation';
import { sampleTenants, TenantLife, type SampleTenant } from './sample-tenant';
import { ScratchStore, type SampleAppend } from './scratch-store';

export interface SampleLogOptions {
  /** Decides everything but the ids that hang on a tenant's pepper, which its key store draws. */
  readonly seed: number;
  /** The log ends with the first act that reaches it. */
  readonly events: number;
  /** Default: one per 1,000 events, from 5 to 200. */
  readonly tenants?: number;
  /** Gives the peppers that ids are made with; the same one must seal what is appended. */
  readonly keys: Pick<KeyRing, 'pepper'>;
  /** Of the first event, milliseconds since 1970; default: 2026-01-01. */
  readonly beginsAtMs?: number;
  /** Domain time from the first event to the last; default 120. */
  readonly days?: number;
}

/** What one act of one conversation or tenant appends, in this order. Acts of one lane keep their order; lanes are free. */
export interface SampleAct {
  readonly lane: number;
  readonly appends: readonly SampleAppend[];
}

export interface SampleLog {
  readonly tenants: readonly SampleTenant[];
  /** Can be taken once. */
  readonly acts: AsyncGenerator<SampleAct>;
}

/** Conversations under way at once, so that streams lie between each other in the log as they do in production. */
const openMax = 300;
/** One of so many acts is about a tenant itself. */
const tenantActEvery = 100;
/** Above 1, the first tenants get more mail than the last ones: at 1.3 about eight times as much. */
const skew = 1.3;
const dayMs = 86_400_000;

/**
 * A log as Mailfold would have written it: tenants with teams and mailboxes, mail in and out with sealed fields and MIME
 * content, threads that merge, the work of agents. It comes from the real deciders and the real threading, over memory, so
 * it holds nothing that those would not write; and nothing in it is from real mail.
 */
export function sampleLog(options: SampleLogOptions): SampleLog {
  const random = new Random(options.seed);
  const count = options.tenants ?? Math.min(200, Math.max(5, Math.round(options.events / 1_000)));
  const tenants = sampleTenants(options.seed, count, random);
  return { tenants, acts: new SampleLogWriter(options, tenants, random).acts() };
}

interface Lane {
  readonly lane: number;
  readonly store: ScratchStore;
  readonly acts: AsyncGenerator<void>;
}

class SampleLogWriter {
  private readonly lives: readonly TenantLife[];
  private readonly open: Lane[] = [];
  private conversations = 0;
  private events = 0;
  private readonly beginsAtMs: number;
  private readonly msPerEvent: number;

  constructor(
    private readonly options: SampleLogOptions,
    tenants: readonly SampleTenant[],
    private readonly random: Random,
  ) {
    this.lives = tenants.map((tenant, index) => new TenantLife(tenant, options.seed, random.fork(index)));
    this.beginsAtMs = options.beginsAtMs ?? Date.UTC(2026, 0, 1);
    this.msPerEvent = ((options.days ?? 120) * dayMs) / Math.max(1, options.events);
  }

  async *acts(): AsyncGenerator<SampleAct> {
    for (const [lane, life] of this.lives.entries()) {
      await life.begin(this.now());
      yield this.taken(lane, life.store);
    }
    for (let turn = 0; this.events < this.options.events; turn++) {
      const act = turn % tenantActEvery === 0 ? await this.tenantAct() : await this.conversationAct();
      if (act.appends.length > 0) yield act;
    }
  }

  private async tenantAct(): Promise<SampleAct> {
    const lane = this.random.between(0, this.lives.length - 1);
    const life = this.lives[lane];
    if (life === undefined) throw new Error('a sample log needs a tenant');
    await life.change(this.now());
    return this.taken(lane, life.store);
  }

  private async conversationAct(): Promise<SampleAct> {
    if (this.open.length < openMax && this.random.chance(0.2)) this.open.push(await this.begin());
    const index = this.random.between(0, this.open.length - 1);
    const lane = this.open[index] ?? (await this.begin());
    if (this.open[index] === undefined) this.open.push(lane);
    const { done } = await lane.acts.next();
    if (done === true) this.open.splice(this.open.indexOf(lane), 1);
    return this.taken(lane.lane, lane.store);
  }

  private async begin(): Promise<Lane> {
    const number = (this.conversations += 1);
    const random = this.random.fork(number);
    const life = this.lives[Math.floor(this.lives.length * random.next() ** skew)];
    const mailbox = random.pick(life?.tenant.mailboxes ?? []);
    if (life === undefined || mailbox === undefined) throw new Error('a sample log needs a mailbox');
    const { tenantId } = life.tenant;
    const pepper = await this.options.keys.pepper(tenantId);
    const store = new ScratchStore();
    const place = { store, ids: tenantIds(tenantId, pepper), pepper, mailboxId: mailbox.mailboxId };
    const { seed } = this.options;
    const conversation = new SampleConversation({
      ...{ seed, number, life, mailbox, place, random },
      now: () => this.now(),
    });
    return { lane: this.lives.length + number, store, acts: conversation.acts() };
  }

  private taken(lane: number, store: ScratchStore): SampleAct {
    const appends = store.takeAppends();
    for (const { events } of appends) this.events += events.length;
    return { lane, appends };
  }

  private now(): string {
    return new Date(this.beginsAtMs + Math.floor(this.events * this.msPerEvent)).toISOString();
  }
}
