import { createHash, randomBytes, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
  closeSync,
  fsyncSync,
} from 'node:fs';
import { join } from 'node:path';
import { seal, unseal } from '../keys/seal';
import type { Bucket, BulkLoadOptions, LaneTally } from './contracts';
import type { LogRange } from './scan/scan-plan';
import { flushFolder } from './spool/spool-file';

/** A lane of a target, as its table `checkpoints` had it when the run began. */
export interface PlannedLane {
  /** Place of its tier in the run, and of its target in the tier. */
  readonly tier: number;
  readonly target: number;
  readonly coverage: LaneTally['coverage'];
}

/** What must stay the same however often a run is killed: how the log was cut, and how the slots. */
export interface RunPlan {
  readonly ranges: readonly LogRange[];
  readonly buckets: readonly Bucket[];
  readonly lanes: readonly PlannedLane[];
}

export interface Run extends RunPlan {
  readonly id: string;
  /** Of the spool. */
  readonly key: Uint8Array;
}

interface Manifest {
  readonly id: string;
  readonly identity: string;
  readonly wrappedKey: string;
  readonly ranges: readonly { index: number; after: string | null; upTo: string }[];
  readonly buckets: readonly Bucket[];
  readonly lanes: readonly PlannedLane[];
}

const keyBytes = 32;

/** The run that was begun in the spool folder with these options; null when there is none. Throws for one of others. */
export function readRun(options: BulkLoadOptions): Run | null {
  const file = manifestFile(options.spoolFolder);
  if (!existsSync(file)) return null;
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  if (manifest.identity !== identityOf(options))
    throw new Error(`${options.spoolFolder} holds the spool of another run`);
  const { id, buckets, lanes, wrappedKey } = manifest;
  const ranges = manifest.ranges.map(({ index, after, upTo }) => ({
    index,
    after: after === null ? null : BigInt(after),
    upTo: BigInt(upTo),
  }));
  const key = unseal(options.log.rootKey, Buffer.from(wrappedKey, 'base64'), `spool|${id}`);
  return { id, buckets, lanes, ranges, key };
}

/** Begins a run. Its key lies beside the spool under the root key: neither says anything without the other. */
export function beginRun(options: BulkLoadOptions, plan: RunPlan): Run {
  const id = randomUUID();
  const key = randomBytes(keyBytes);
  const wrapped = seal(options.log.rootKey, id, key, `spool|${id}`);
  const manifest: Manifest = {
    ...{ id, identity: identityOf(options), wrappedKey: Buffer.from(wrapped).toString('base64') },
    ...{ buckets: plan.buckets, lanes: plan.lanes },
    ranges: plan.ranges.map(({ index, after, upTo }) => ({
      index,
      after: after?.toString() ?? null,
      upTo: upTo.toString(),
    })),
  };
  mkdirSync(options.spoolFolder, { recursive: true, mode: 0o700 });
  writeDurably(manifestFile(options.spoolFolder), JSON.stringify(manifest));
  flushFolder(options.spoolFolder);
  return { id, key, ...plan };
}

/** Names what a run fills and from where, so that it is never mixed with another one. */
export function identityOf({ tiers, fence, only }: BulkLoadOptions): string {
  const filled = tiers.map(({ tier, targets }) => [
    tier,
    targets.map(({ generation, schema, coverage }) => [generation, schema, coverage]),
  ]);
  const text = JSON.stringify([filled, fence.toString(), only ?? null]);
  return createHash('sha256').update(text).digest('hex');
}

/** Whole or not at all. */
export function writeDurably(file: string, text: string): void {
  const partial = `${file}.part`;
  const fd = openSync(partial, 'w', 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(partial, file);
}

function manifestFile(folder: string): string {
  return join(folder, 'run.json');
}
