import { hash } from 'node:crypto';
import type { LogRecord } from '../../event-store/event-store';
import { covers, type Coverage } from '../../generations/coverage';
import { censusName, type Tally } from '../../log-ledger/census';
import type { IdDigest } from '../../log-ledger/id-digest';
import type { Sequence } from '../../projecting/lane-event';

const wordsPerDigest = 4;
const word = 2 ** 32;

/**
 * A sum of digests of event ids (log-ledger/id-digest.ts) in 32-bit words, most significant first: words add up as plain
 * numbers, which takes a tenth of the time that bigints do. Holds for 2^21 events, more than any range has.
 */
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
  /** Of the event at hand. */
  private readonly words = new Float64Array(wordsPerDigest);
  events = 0;
  bytes = 0;

  /** @param lanes what each of them covers. */
  constructor(private readonly lanes: readonly Coverage[]) {
    this.byLane = lanes.map(() => new Sum());
  }

  /** `sequence`: of an event that lanes take in; null for a chunk, which they get with its fact, and for what is not ours. */
  count(record: LogRecord, sequence: Sequence | null): void {
    const { words } = this;
    const digest = hash('sha256', record.id.toLowerCase(), 'buffer');
    for (let n = 0; n < wordsPerDigest; n++) words[n] = digest.readUInt32BE(4 * n);
    this.sumOf(record).add(words, record.byteCount);
    this.events += 1;
    this.bytes += record.byteCount;
    if (sequence === null) return;
    for (let n = 0; n < this.lanes.length; n++)
      if (covers(this.lanes[n]!, sequence)) this.byLane[n]!.add(words, 0);
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

  private sumOf({ type, metadata: { schemaVersion } }: LogRecord): Sum {
    let versions = this.byType.get(type);
    if (versions === undefined) this.byType.set(type, (versions = new Map<unknown, Sum>()));
    let sum = versions.get(schemaVersion);
    if (sum === undefined) versions.set(schemaVersion, (sum = new Sum()));
    return sum;
  }
}
