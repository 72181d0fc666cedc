/** Why a mail was stored raw but not read. */
export type ParkReason =
  | 'not-mime'
  | 'header-too-large'
  | 'too-many-headers'
  | 'too-deep'
  | 'too-many-parts'
  | 'too-many-recipients'
  | 'parse-failed'
  | 'parse-timeout'
  | 'parse-memory';

const killed: ReadonlySet<string> = new Set<ParkReason>(['parse-timeout', 'parse-memory']);

/** Whether a mail was parked because reading it had to be ended. For every other reason it was read within all limits. */
export function isKill(reason: string): boolean {
  return killed.has(reason);
}

/**
 * What one mail may cost (reliability.md B4). Real mail stays an order of magnitude below each figure; beyond them the
 * mail is parked with a reason, never dropped. `messageBytesMax` is enforced by whoever takes the bytes in (HTTP 413).
 */
export const mailCaps = {
  messageBytesMax: 25 * 1024 * 1024,
  /** The header block of the message itself. */
  headerBlockBytesMax: 256 * 1024,
  /** The header blocks of the message and all its parts together. */
  headerBytesMax: 2 * 1024 * 1024,
  headersMax: 1_000,
  /** Of References: the first, which names the root, and the newest. Longer lists are cut, not parked. */
  referencesMax: 100,
  /** Multiparts within multiparts. A forwarded message is a leaf: it is kept as an attachment. */
  depthMax: 50,
  partsMax: 500,
  recipientsMax: 1_000,
} as const;

/** Ends the reading of one mail. Never leaves apps/shared/mail: parseMail turns it into a parked result. */
export class MailRefused extends Error {
  constructor(
    readonly reason: ParkReason,
    detail: string,
  ) {
    super(detail);
  }
}
