import { hash } from 'node:crypto';
import type { LogRecord } from '../../event-store/event-store';
import { covers, type Coverage } from '../../generations/coverage';
import { censusName, type Tally } from '../../log-ledger/census';
import type { IdDigest } from '../../log-ledger/id-digest';

/** A lane whose events are counted while the log is read. */
export interface CountedLane {
  readonly coverage: Coverage;
  /** Lanes of tiers that read content also meet chunks that cannot be opened. */
  readonly withContent: boolean;
}

const wordsPerDigest = 4;
const word = 2 ** 32;

/**
 * The digest of an event id (log-ledger/id-digest.ts) in 32-bit words, most significant first: words add up as plain numbers
 * a million times over before anything is lost, which takes a tenth of the time that bigints do.
 */
function digestWords(eventId: string): Float64Array {
  const bytes = hash('sha256', eventId.toLowerCase(), 'buffer');
  const words = new Float64Array(wordsPerDigest);
  for (let n = 0; n < wordsPerDigest; n++) words[n] = bytes.readUInt32BE(4 * n);
  return words;
}

/** A sum that is cheap to add to. Holds for 2^21 events, more than any range has. */
class Sum {
  events = 0;
  bytes = 0;
  private readonly words = new Float64Array(wordsPerDigest);

  add(words: Float64Array, byteCount: number): void {
    this.events += 1;
    this.bytes += byteCount;
    for (let n = 0; n < wordsPerDigest; n++) this.words[n]! += words[n]!;
  }

  get digest(): IdDigest {
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = this.words;
    const half = (high: number, low: number): bigint =>
      BigInt.asUintN(64, BigInt(high) * BigInt(word) + BigInt(low));
    return { hi: half(w0, w1), lo: half(w2, w3) };
  }
}

/** Counts what a range of the log holds: by type and version for the ledger, by lane for the checkpoints. */
export class ScanTally {
  private readonly byType = new Map<string, Map<unknown, Sum>>();
  private readonly byLane: readonly Sum[];
  events = 0;
  bytes = 0;

  constructor(private readonly lanes: readonly CountedLane[]) {
    this.byLane = lanes.map(() => new Sum());
  }

  /** Resolves the digest once, for {@link countForLanes}. */
  count(record: LogRecord): Float64Array {
    const words = digestWords(record.id);
    const version = record.metadata['schemaVersion'];
    let versions = this.byType.get(record.type);
    if (versions === undefined) this.byType.set(record.type, (versions = new Map<unknown, Sum>()));
    let sum = versions.get(version);
    if (sum === undefined) versions.set(version, (sum = new Sum()));
    sum.add(words, record.byteCount);
    this.events += 1;
    this.bytes += record.byteCount;
    return words;
  }

  /** `contentOnly`: only tiers that read content take the event in. */
  countForLanes(
    words: Float64Array,
    sequence: { tenantId: string; slot: number },
    contentOnly: boolean,
  ): void {
    for (let n = 0; n < this.lanes.length; n++) {
      const { coverage, withContent } = this.lanes[n]!;
      if ((withContent || !contentOnly) && covers(coverage, sequence)) this.byLane[n]!.add(words, 0);
    }
  }

  census(): Map<string, Tally> {
    const census = new Map<string, Tally>();
    for (const [type, versions] of this.byType)
      for (const [version, { events, bytes, digest }] of versions)
        census.set(censusName(type, version), { events, bytes, digest });
    return census;
  }

  laneSums(): { events: number; digest: IdDigest }[] {
    return this.byLane.map(({ events, digest }) => ({ events, digest }));
  }
}
