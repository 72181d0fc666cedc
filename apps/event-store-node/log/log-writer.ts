import type { Logger } from '../../shared/process/log';
import { commitGroup, StreamIsKnown } from '../storage/group-commit';
import { encodeGroup, type EncodedGroup } from '../storage/group-encoding';
import type { WriterSession } from '../storage/writer-session';
import type { DurableLog } from './durable-log';
import { LogOperation, type LogOperationRequest, type OperationOutcome } from './log-operation';
import { GroupPlan } from './plan-group';
import type { LoadedStates, StreamStates } from './stream-states';
import type { WriterConnection } from './writer-connection';

const groupBytesMax = 8 * 1024 * 1024;
const groupOperationsMax = 1_000;
const waitingBytesMax = 64 * 1024 * 1024;
/** An append waits here against its write timeout. Those beyond wait on the network, where no clock of ours runs. */
const waitingOperationsMax = 2_000;
const deadlineSweepMs = 20;
/** The longest an append may take, as on a real node (event-store.md §4, BatchAppend). */
export const writeTimeoutMs = 2_000;

/**
 * The single writer. While one group commits, the next collects; nothing is answered before its group is durable, not even
 * a refusal, because it may rest on an append of the same group.
 */
export class LogWriter {
  private waiting: LogOperation[] = [];
  private inFlight: readonly LogOperation[] = [];
  private waitingBytes = 0;
  private pumping: Promise<void> | undefined;
  private roomWaiters: (() => void)[] = [];
  private stopping = false;
  /** Called once nothing is left to answer. */
  private drained: () => void = () => undefined;
  private readonly sweep = setInterval(() => this.answerExpired(), deadlineSweepMs);

  constructor(
    private readonly connection: WriterConnection,
    private readonly states: StreamStates,
    private readonly durable: DurableLog,
    private readonly log: Logger,
  ) {}

  /** `answer` is called exactly once, at the latest soon after the deadline. */
  submit(request: LogOperationRequest, answer: (outcome: OperationOutcome) => void): void {
    const operation = new LogOperation(
      { ...request, deadlineAtMs: Math.min(request.deadlineAtMs, Date.now() + writeTimeoutMs) },
      answer,
    );
    if (this.stopping) return operation.settle({ kind: 'unavailable' });
    if (request.deadlineAtMs <= Date.now()) return operation.settle({ kind: 'timeout' });
    this.waiting.push(operation);
    this.waitingBytes += operation.byteCount;
    this.pumping ??= this.pump();
  }

  execute(request: LogOperationRequest): Promise<OperationOutcome> {
    return new Promise((resolve) => this.submit(request, resolve));
  }

  /** Whoever sends more now should wait for {@link onRoom} first. */
  get isFull(): boolean {
    return this.waitingBytes > waitingBytesMax || this.waiting.length > waitingOperationsMax;
  }

  /** Calls back once, when there is room again. */
  onRoom(callBack: () => void): void {
    this.roomWaiters.push(callBack);
  }

  /** Answers everything submitted so far, then takes no more. While PostgreSQL is away the answer is a timeout. */
  async stop(): Promise<void> {
    this.stopping = true;
    const drained = new Promise<void>((resolve) => (this.drained = resolve));
    await Promise.race([this.pumping, drained]);
    clearInterval(this.sweep);
  }

  private async pump(): Promise<void> {
    // Lets every request of this turn of the event loop into the first group.
    await new Promise(setImmediate);
    while (this.waiting.length > 0) {
      const session = await this.connection.ready();
      if (session === undefined) this.failWaiting();
      else await this.writeGroup(session);
    }
    this.pumping = undefined;
  }

  private async writeGroup(session: WriterSession): Promise<void> {
    const group = this.takeGroup();
    this.inFlight = group;
    let loaded: LoadedStates | undefined;
    let plan: GroupPlan | undefined;
    let encoded: EncodedGroup | undefined;
    try {
      loaded = await this.states.load(session.client, group);
      plan = new GroupPlan(loaded, this.durable.position + 1);
      for (const operation of group) plan.add(operation);
      encoded = encodeGroup(plan.rows, Date.now());
      await commitGroup(session.client, encoded, loaded.assumedNew);
      this.states.keep(loaded.states);
      this.publish(plan, encoded);
    } catch (error) {
      if (error instanceof StreamIsKnown && loaded !== undefined) {
        this.states.misjudged(loaded);
        this.putBack(group);
      } else await this.recover(session, group, plan, encoded, error);
    } finally {
      this.inFlight = [];
    }
  }

  private publish(plan: GroupPlan, { rows }: EncodedGroup): void {
    if (rows.length > 0) this.durable.advance(rows);
    for (const { operation, outcome } of plan.outcomes) operation.settle(outcome);
  }

  /** After any failure nothing in memory is believed: the log says whether the group is in it. */
  private async recover(
    session: WriterSession,
    group: readonly LogOperation[],
    plan: GroupPlan | undefined,
    encoded: EncodedGroup | undefined,
    error: unknown,
  ): Promise<void> {
    this.log.warn({ err: error }, 'a group of appends failed');
    this.states.clear();
    const verdict = await this.connection.replace(session, error, encoded?.rows[0]);
    if (verdict === 'committed' && plan !== undefined) {
      // The new session has read the durable position already.
      for (const { operation, outcome } of plan.outcomes) operation.settle(outcome);
    } else if (verdict === 'retry') this.putBack(group);
    else this.fail(group, { kind: 'unavailable' });
  }

  private putBack(group: readonly LogOperation[]): void {
    const again = group.filter((operation) => !operation.isAnswered);
    this.waiting.unshift(...again);
    this.waitingBytes += bytesOf(again);
  }

  private takeGroup(): LogOperation[] {
    const group: LogOperation[] = [];
    let byteCount = 0;
    let taken = 0;
    for (const operation of this.waiting) {
      if (
        group.length >= groupOperationsMax ||
        (byteCount > 0 && byteCount + operation.byteCount > groupBytesMax)
      )
        break;
      taken += 1;
      byteCount += operation.byteCount;
      if (!operation.isAnswered) group.push(operation);
    }
    this.waiting = this.waiting.slice(taken);
    this.makeRoom(byteCount);
    return group;
  }

  /** What has expired unwritten is let go first: during an outage it would pile up, and hold up whoever waits for room. */
  private answerExpired(): void {
    const nowMs = Date.now();
    const isExpired = ({ request }: LogOperation): boolean => request.deadlineAtMs <= nowMs;
    const expired = this.waiting.filter(isExpired);
    if (expired.length > 0) {
      this.waiting = this.waiting.filter((operation) => !isExpired(operation));
      this.makeRoom(bytesOf(expired));
    }
    this.fail([...expired, ...this.inFlight.filter(isExpired)], { kind: 'timeout' });
    if (this.waiting.length === 0 && this.inFlight.every(({ isAnswered }) => isAnswered)) this.drained();
  }

  private failWaiting(): void {
    const failed = this.waiting.splice(0);
    this.makeRoom(bytesOf(failed));
    this.fail(failed, { kind: 'unavailable' });
  }

  private makeRoom(byteCount: number): void {
    this.waitingBytes -= byteCount;
    if (!this.isFull) for (const callBack of this.roomWaiters.splice(0)) callBack();
  }

  private fail(operations: readonly LogOperation[], outcome: OperationOutcome): void {
    for (const operation of operations) operation.settle(outcome);
  }
}

function bytesOf(operations: readonly LogOperation[]): number {
  return operations.reduce((sum, { byteCount }) => sum + byteCount, 0);
}
