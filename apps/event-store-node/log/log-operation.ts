import type { ProposedEvent } from '../wire/event-frames';
import type { ExpectedRevision } from './append-rules';

export type OperationOutcome =
  | { readonly kind: 'written'; readonly revision: number | undefined; readonly position: number | undefined }
  | { readonly kind: 'wrongExpectedVersion'; readonly current: number }
  | { readonly kind: 'streamDeleted' }
  /** The deadline passed. It may have been written or not. */
  | { readonly kind: 'timeout' }
  /** Not written: the node stops, or PostgreSQL refused. */
  | { readonly kind: 'unavailable' };

export interface LogOperationRequest {
  readonly kind: 'append' | 'delete' | 'tombstone';
  readonly streamName: string;
  readonly expected: ExpectedRevision;
  /** Empty for delete and tombstone. */
  readonly events: readonly ProposedEvent[];
  /** Milliseconds since 1970. */
  readonly deadlineAtMs: number;
}

/** A request on its way through the writer. It is answered exactly once. */
export class LogOperation {
  readonly byteCount: number;
  private answered = false;

  constructor(
    readonly request: LogOperationRequest,
    private readonly answer: (outcome: OperationOutcome) => void,
  ) {
    this.byteCount = request.events.reduce(
      (sum, event) => sum + event.data.length + event.customMetadata.length + 200,
      200,
    );
  }

  get isAnswered(): boolean {
    return this.answered;
  }

  settle(outcome: OperationOutcome): void {
    if (this.answered) return;
    this.answered = true;
    this.answer(outcome);
  }
}
