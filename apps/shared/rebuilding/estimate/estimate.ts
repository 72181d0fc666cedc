import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LogLedger } from '../../log-ledger/log-ledger';
import { createPool } from '../../postgres/pool';
import type { Poison } from '../contracts';
import { logAccess } from '../log-access';
import { OwnerPools } from '../owner-pools';
import { ReaderConnections } from '../scan/reader-connections';
import { parallelismOf } from '../threads';
import type { EstimateOptions } from './estimate-options';
import { sum, type Figure } from './figure';
import { freeBytes } from './resources';
import { SampleLoad, type SampledLoad } from './sample-load';
import { sampleOf } from './sample';
import { ScratchTargets } from './scratch-targets';
import { roomNeeded, type ServerNeed } from './room-needed';
import { estimateTables, type TableEstimate } from './table-estimates';
import type { Skew } from './scratch-measures';
import { unknownEvents, type UnknownEvents } from './unknown-events';

/** What a bulk load of the log would do and take; plain data. */
export interface Estimate {
  readonly codeVersion: string;
  readonly fence: string;
  readonly sample: {
    readonly events: number;
    readonly stretches: number;
    /** The whole log was read, since it is short. */
    readonly isWhole: boolean;
    readonly seconds: number;
  };
  /** Those that will be read. */
  readonly events: number;
  readonly logBytes: number;
  readonly tables: readonly TableEstimate[];
  readonly spool: { readonly bytes: number; readonly diskFreeBytes: number; readonly isEnough: boolean };
  readonly phases: readonly {
    readonly phase: 'prepare' | 'scan' | 'load' | 'index';
    readonly seconds: Figure;
  }[];
  readonly seconds: Figure;
  readonly skew: Readonly<Record<string, Skew>>;
  /** Of the whole log where the ledger has counted it, else of the sample. */
  readonly unknown: readonly UnknownEvents[];
  readonly poison: {
    /** The first of each sequence in the sample, at most 20. */
    readonly found: readonly (Omit<Poison, 'position'> & { readonly position: string })[];
    /** Sequences that would stop, over the whole log. */
    readonly sequences: number;
  };
  readonly servers: readonly ServerNeed[];
}

export type { EstimateOptions } from './estimate-options';

const poisonShownMax = 20;
const ledgerTimeoutMs = 60_000;

/**
 * The dry run of {@link bulkLoad}: takes stretches from all over the log through the very same code into scratch schemas of the
 * same databases, measures each phase, and says what the whole would come to. Leaves nothing behind; what a killed one has left,
 * the next one removes. Serves nobody and changes nothing that serves.
 * Throws EstimateRefused where another one is under way, the reason of an abort, and what log, keys and PostgreSQL throw.
 */
export async function estimate(options: EstimateOptions): Promise<Estimate> {
  const begun = performance.now();
  if (existsSync(options.spoolFolder)) throw new Error(`${options.spoolFolder} is there already`);
  const owners = new OwnerPools(options.tiers);
  const connections = new ReaderConnections(logAccess(options.log), owners);
  const { controlDatabaseUrl } = options.log;
  const control = controlDatabaseUrl === undefined ? null : controlPool(controlDatabaseUrl);
  const ledger = control === null ? null : new LogLedger(control, connections.store);
  const scratch = await ScratchTargets.make(options.tiers).catch(async (error: unknown) => {
    await Promise.allSettled([connections.close(), control?.end()]);
    throw error;
  });
  const preparing = (performance.now() - begun) / 1_000;
  try {
    mkdirSync(options.spoolFolder, { recursive: true, mode: 0o700 });
    const { readers } = parallelismOf(options);
    // One conversation is read through the whole log, and costs what it costs.
    const wanted = options.only?.entityId === undefined ? options.sampleEvents : Number.POSITIVE_INFINITY;
    const sample = await sampleOf(ledger, options.fence, readers, wanted);
    const load = await new SampleLoad(options, { scratch, sample, connections }).run();
    const census = options.only === undefined ? await ledger?.census() : undefined;
    return await put(options, scratch, load, { preparing, begun, census: census ?? load.census });
  } finally {
    await scratch.drop();
    rmSync(options.spoolFolder, { recursive: true, force: true });
    await Promise.allSettled([connections.close(), owners.close(), control?.end()]);
  }
}

async function put(
  options: EstimateOptions,
  scratch: ScratchTargets,
  load: SampledLoad,
  known: { preparing: number; begun: number; census: readonly { name: string; events: number }[] },
): Promise<Estimate> {
  const { sample, summaries, poison } = load;
  const { factor } = sample;
  const eventsRead = summaries.reduce((all, { events }) => all + events, 0);
  const tables = await estimateTables(scratch, load);
  const grown = sizeRatio(tables);
  const phases = [
    { phase: 'prepare' as const, seconds: exactly(known.preparing) },
    { phase: 'scan' as const, seconds: load.scanning.secondsFor(factor) },
    { phase: 'load' as const, seconds: load.loading.secondsFor(factor) },
    { phase: 'index' as const, seconds: indexSeconds(load, grown) },
  ];
  const spoolBytes = Math.ceil(folderBytes(options.spoolFolder) * factor);
  const diskFreeBytes = await freeBytes(options.spoolFolder);
  return {
    codeVersion: options.codeVersion,
    fence: options.fence.toString(),
    sample: {
      events: eventsRead,
      stretches: sample.stretches.length,
      isWhole: factor === 1,
      seconds: (performance.now() - known.begun) / 1_000,
    },
    events: options.only === undefined && sample.isCounted ? sample.events : Math.round(eventsRead * factor),
    logBytes: Math.round(summaries.reduce((all, { bytes }) => all + bytes, 0) * factor),
    tables,
    spool: { bytes: spoolBytes, diskFreeBytes, isEnough: spoolBytes < diskFreeBytes },
    phases,
    seconds: sum(phases.map(({ seconds }) => seconds)),
    skew: load.skew,
    unknown: unknownEvents(known.census),
    poison: {
      found: poison.slice(0, poisonShownMax).map((each) => ({ ...each, position: each.position.toString() })),
      sequences: Math.round(poison.length * factor),
    },
    servers: await roomNeeded(scratch, tables, options),
  };
}

function exactly(value: number): Figure {
  return { value, low: value, high: value };
}

/** Making an index takes what an empty one takes, and then as long as there are rows. */
function indexSeconds({ indexing }: SampledLoad, grown: Figure): Figure {
  const { emptySeconds, seconds } = indexing;
  const perSample = Math.max(0, seconds - emptySeconds);
  const of = (ratio: number): number => emptySeconds + perSample * Math.max(1, ratio);
  return { value: of(grown.value), low: of(grown.low * 0.85), high: of(grown.high * 1.15) };
}

function sizeRatio(tables: readonly TableEstimate[]): Figure {
  const sampled = Math.max(
    1,
    tables.reduce((all, { sampledRows }) => all + sampledRows, 0),
  );
  const { value, low, high } = sum(tables.map(({ rows }) => rows));
  return { value: value / sampled, low: low / sampled, high: high / sampled };
}

function folderBytes(folder: string): number {
  return readdirSync(folder).reduce((all, name) => all + statSync(join(folder, name)).size, 0);
}

function controlPool(databaseUrl: string) {
  return createPool(databaseUrl, {
    applicationName: 'mailfold-estimate',
    maxConnections: 1,
    statementTimeoutMs: ledgerTimeoutMs,
    queryTimeoutMs: ledgerTimeoutMs,
    connectionTimeoutMs: ledgerTimeoutMs,
  });
}
