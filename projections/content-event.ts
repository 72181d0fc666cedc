import type { ProjectedEvent } from './projection';

/** One attachment as its table holds it. The id is the same in every replay. */
export interface JoinedAttachment {
  readonly id: string;
  readonly filename: string | null;
  readonly mimeType: string;
  readonly sizeBytes: number;
  readonly disposition: 'attachment' | 'inline';
  readonly contentId: string | null;
  /** Hex. */
  readonly sha256: string;
  readonly content: Uint8Array;
}

/** What the raw MIME of a message says. `raw`, `text` and `html` are all compressed the way `compression` says. */
export interface JoinedContent {
  readonly raw: Uint8Array;
  readonly text: Uint8Array | null;
  readonly html: Uint8Array | null;
  readonly compression: 'gzip' | 'none';
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly attachments: readonly JoinedAttachment[];
  readonly parserVersion: number;
  /** Why the parser could not read it; the raw bytes are kept all the same. */
  readonly parkedReason: string | null;
}

/**
 * An event with the content of the message it tells of, joined by the reader because unpacking and parsing are no work of
 * a fold. No content: the tier does not ask for it, or retention or an erasure has taken it out of the log.
 */
export type ContentEvent = ProjectedEvent & { readonly content?: JoinedContent };
