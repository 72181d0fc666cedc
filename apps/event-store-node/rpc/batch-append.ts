import { unavailableError } from '../grpc/grpc-status';
import type { GrpcCall } from '../grpc/grpc-call';
import { writeTimeoutMs, type LogWriter } from '../log/log-writer';
import {
  BadRequest,
  checkStreamName,
  readAppendTarget,
  readBatchAppendPart,
  readProposedEvent,
  type AppendTarget,
  type BatchAppendPart,
} from '../wire/append-messages';
import type { ProposedEvent } from '../wire/event-frames';
import { WireError } from '../../shared/protobuf/protobuf-reader';
import type { WireUuid } from '../wire/uuid';
import { isUuid, nilUuid } from '../wire/uuid';
import { appendBytesMax, appendSize } from './append-size';
import { batchError, batchReply } from './batch-append-replies';

interface OpenAppend {
  readonly target: AppendTarget;
  readonly events: ProposedEvent[];
  byteCount: number;
  /** Runs only while parts are missing; a complete append has its deadline in the writer. */
  readonly expiry: NodeJS.Timeout | undefined;
}

const unreadableTarget: AppendTarget = { streamName: '', expected: undefined, deadlineAtMs: undefined };

/** Streams/BatchAppend: many appends over one call, each answered once under its correlation id, in any order. */
export function batchAppendHandler(writer: LogWriter) {
  return (call: GrpcCall): void => {
    const batch = new BatchAppendCall(call, writer);
    call.listen(
      (body) => batch.receive(body),
      () => batch.halfClose(),
    );
  };
}

class BatchAppendCall {
  /** Appends whose last part has not come yet, by correlation id. */
  private readonly open = new Map<string, OpenAppend>();
  private unanswered = 0;
  private halfClosed = false;
  private unavailable = false;
  private paused = false;

  constructor(
    private readonly call: GrpcCall,
    private readonly writer: LogWriter,
  ) {
    call.signal.addEventListener('abort', () => {
      for (const { expiry } of this.open.values()) clearTimeout(expiry);
    });
  }

  receive(body: Buffer): void {
    // The call is about to end with UNAVAILABLE, which answers these too.
    if (this.unavailable) return;
    const part = readBatchAppendPart(body);
    try {
      this.take(part);
    } catch (error) {
      if (!(error instanceof BadRequest || error instanceof WireError)) throw error;
      this.refuse(part, error.message);
    }
  }

  /** The client sends no more; it still gets every answer, which a real node may drop. */
  halfClose(): void {
    this.halfClosed = true;
    this.endIfDone();
  }

  private take(part: BatchAppendPart): void {
    const key = part.correlationId.text;
    const append = this.open.get(key) ?? this.begin(part);
    if (append === undefined) return;
    const events = part.proposed.map(readProposedEvent);
    for (const event of events) append.events.push(event);
    append.byteCount += appendSize(events);
    if (append.byteCount > appendBytesMax) {
      this.close(key, append);
      return this.reply(
        batchError.maximumAppendSizeExceeded(part.correlationId, append.target, appendBytesMax),
      );
    }
    if (!part.isFinal) return;
    this.close(key, append);
    this.submit(part.correlationId, append);
  }

  /** Parts of an append that was answered already, or never began, are ignored. */
  private begin(part: BatchAppendPart): OpenAppend | undefined {
    if (part.options === undefined) return undefined;
    const { correlationId } = part;
    const key = correlationId.text;
    const nowMs = Date.now();
    const target = readAppendTarget(part.options, nowMs);
    const refusal = this.refusal(correlationId, target, nowMs);
    if (refusal !== undefined) {
      this.call.push(refusal);
      return undefined;
    }
    const deadlineAtMs = Math.min(target.deadlineAtMs ?? Infinity, nowMs + writeTimeoutMs);
    const append: OpenAppend = {
      target: { ...target, deadlineAtMs },
      events: [],
      byteCount: 0,
      expiry: part.isFinal
        ? undefined
        : setTimeout(() => this.expire(correlationId), Math.max(0, deadlineAtMs - nowMs)),
    };
    this.unanswered += 1;
    this.open.set(key, append);
    checkStreamName(target.streamName);
    if (target.expected === undefined) throw new BadRequest('No expected stream position was given.');
    return append;
  }

  /** What is answered at once, so that nothing is opened. */
  private refusal(correlationId: WireUuid, target: AppendTarget, nowMs: number): Buffer | undefined {
    if (!isUuid(correlationId.text) || correlationId.text === nilUuid)
      return batchError.badRequest(correlationId, target, 'The correlation id is not a UUID or is nil.');
    if (this.call.access !== 'granted') return batchError.accessDenied(correlationId, target);
    if ((target.deadlineAtMs ?? Infinity) <= nowMs) return batchError.timeout(correlationId, target);
    return undefined;
  }

  private submit(correlationId: WireUuid, { target, events }: OpenAppend): void {
    const { streamName, expected } = target;
    if (expected === undefined) throw new BadRequest('No expected stream position was given.');
    this.writer.submit(
      { kind: 'append', streamName, expected, events, deadlineAtMs: target.deadlineAtMs ?? Infinity },
      (outcome) => {
        if (outcome.kind === 'unavailable') return this.abandon();
        this.reply(batchReply(correlationId, target, outcome));
      },
    );
    this.respectCapacity();
  }

  /**
   * No per-append answer says "try again elsewhere", so the whole call does; but only after the answers of the appends
   * that are still being written, whose outcome would be unknown otherwise.
   */
  private abandon(): void {
    this.unavailable = true;
    this.unanswered -= 1;
    for (const [key, append] of this.open) {
      this.close(key, append);
      this.unanswered -= 1;
    }
    this.endIfDone();
  }

  private expire(correlationId: WireUuid): void {
    const append = this.open.get(correlationId.text);
    if (append === undefined) return;
    this.close(correlationId.text, append);
    this.reply(batchError.timeoutAtDeadline(correlationId, append.target));
  }

  private refuse(part: BatchAppendPart, reason: string): void {
    const append = this.open.get(part.correlationId.text);
    // Options that cannot be read have opened nothing, yet somebody waits for the answer.
    if (append === undefined) {
      if (part.options !== undefined)
        this.call.push(batchError.badRequest(part.correlationId, unreadableTarget, reason));
      return;
    }
    this.close(part.correlationId.text, append);
    this.reply(batchError.badRequest(part.correlationId, append.target, reason));
  }

  private close(key: string, append: OpenAppend): void {
    clearTimeout(append.expiry);
    this.open.delete(key);
  }

  private reply(frame: Buffer): void {
    this.unanswered -= 1;
    this.call.push(frame);
    this.endIfDone();
  }

  private respectCapacity(): void {
    if (this.paused || !this.writer.isFull) return;
    this.paused = true;
    this.call.pause();
    this.writer.onRoom(() => {
      this.paused = false;
      this.call.resume();
    });
  }

  private endIfDone(): void {
    if (this.unanswered > 0) return;
    if (this.unavailable) this.call.fail(unavailableError());
    else if (this.halfClosed) this.call.end();
  }
}
