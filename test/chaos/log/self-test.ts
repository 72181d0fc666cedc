import { queryAsSuperuser } from '../../support/postgres';
import { checkLog, lostEvents } from '../check-log';
import type { Random } from '../../../apps/dev/sample-log/random';
import { acknowledgedEvents, type Operation } from './history';
import { LogSystem } from './log-system';
import { readLog } from './read-log';
import { Writers } from './writers';

const recoveryTimeoutMs = 30_000;

/** What is committed stays in PostgreSQL's memory for up to 10 s, unless a commit waits for the disk. */
const lazySettings = { wal_writer_delay: '10s', wal_writer_flush_after: '512MB' };

/**
 * The node refuses to start with `synchronous_commit=off`, and looks again before each insert. So the setting reads `on` until
 * the rows are in, and then each transaction turns it off for itself, behind the node's back.
 */
const commitAsynchronously = `
  create function commit_asynchronously() returns trigger language plpgsql as $$
  begin
    perform set_config('synchronous_commit', 'off', true);
    return null;
  end $$;
  create trigger appends_commit_asynchronously after insert on appends
    for each statement execute function commit_asynchronously()`;

export interface SelfTestReport {
  /** Rounds it took until events were lost. */
  readonly rounds: number;
  readonly acknowledgedEvents: number;
  /** Events that the checker reports as acknowledged and lost. A harness that reports none is broken. */
  readonly lostEventIds: readonly string[];
}

/**
 * Proves that the harness sees losses: on a PostgreSQL that acknowledges commits before they are on disk, and that is killed
 * with all its processes, acknowledged events vanish, and the checker must say which.
 */
export async function selfTest(options: {
  readonly random: Random;
  readonly roundsMax: number;
  readonly folder: string;
  readonly signal: AbortSignal;
}): Promise<SelfTestReport> {
  const system = await LogSystem.start(lazySettings);
  try {
    await queryAsSuperuser(system.databaseUrl, commitAsynchronously);
    let report: SelfTestReport = { rounds: 0, acknowledgedEvents: 0, lostEventIds: [] };
    while (report.rounds < options.roundsMax && report.lostEventIds.length === 0 && !options.signal.aborted)
      report = await playRound(system, report, options);
    return report;
  } finally {
    await system.stop();
  }
}

async function playRound(
  system: LogSystem,
  { rounds, acknowledgedEvents: acknowledged }: SelfTestReport,
  { random, folder }: { readonly random: Random; readonly folder: string },
): Promise<SelfTestReport> {
  const round = rounds + 1;
  const writers = await Writers.start(system.url, random.fork(round), folder, `self-test-${round}`);
  const operations = await loseEvents(system, writers).finally(() => writers.kill());
  const dump = await readLog(system.url, new Set(operations.map(({ stream }) => stream)));
  const losses = lostEvents(checkLog(operations, dump), dump);
  return {
    rounds: round,
    acknowledgedEvents: acknowledged + acknowledgedEvents(operations),
    lostEventIds: losses,
  };
}

async function loseEvents(system: LogSystem, writers: Writers): Promise<Operation[]> {
  if ((await writers.acknowledgedAgain(recoveryTimeoutMs)) === null)
    throw new Error('the self-test can prove nothing: its writers are not acknowledged');
  await system.killPostgres('whole server', 0);
  await writers.acknowledgedAgain(recoveryTimeoutMs);
  return writers.stop();
}
