import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../../apps/dev/sample-log/random';
import { createProgress } from '../../../apps/mailfold/progress';
import type { Campaign, CampaignOptions } from '../campaign';
import type { RunToStrike } from './interrupted-run';
import { isHeld, reportLines, verdictsOf, type RebuildReport } from './report';
import { runRebuilds } from './run-rebuild';

/** Many times what each takes; what hangs must not do so for ever. */
const forms = {
  quick: { events: 2_000, minutesMax: 15 },
  full: { events: 50_000, minutesMax: 90 },
} as const;
const killsOfFullForm = [5, 25, 50, 75, 99];
const databases = 'OLTP_DATABASE_URL_A,OLTP_DATABASE_URL_B';

/** A rebuild that is killed goes on as if nothing had been, and nobody who reads notices (rebuild.md §4b, reliability.md F20). */
export const rebuildCampaign: Campaign = {
  description:
    'kill `mailfold rebuild`, and PostgreSQL under it, again and again; what it makes in the end must be what serves',
  drawsFaults: true,
  run: async (options) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'mailfold-chaos-'));
    const remove = (): void =>
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    // The second Ctrl-C leaves no time for anything else.
    process.once('exit', remove);
    notice(`seed ${options.seed}; files in ${dataDir}`);
    try {
      return await runIn(dataDir, options);
    } catch (error) {
      // A run that is cut off may fail in any way, and shows nothing by it.
      if (!options.signal.aborted) throw error;
      return true;
    } finally {
      process.off('exit', remove);
      remove();
    }
  },
};

async function runIn(
  dataDir: string,
  { quick, selfTestOnly, json, seed, signal }: CampaignOptions,
): Promise<boolean> {
  const beganAt = Date.now();
  const form = quick ? 'quick' : 'full';
  const { events, minutesMax } = forms[form];
  const limit = AbortSignal.timeout(minutesMax * 60_000);
  const progress = createProgress('sample log', 'events');
  const run = await runRebuilds({
    ...{ random: new Random(seed), events, runs: selfTestOnly ? [] : runsOf(form), dataDir },
    signal: AbortSignal.any([signal, limit]),
    onPhase: (text) => progress.say(text),
    onEvents: (written) => progress.update({ done: written, total: events, count: written }),
  })
    .catch((error: unknown) => {
      if (!limit.aborted) throw error;
      throw new Error(`the campaign did not end within ${minutesMax} minutes`, { cause: error });
    })
    .finally(() => progress.stop());
  const verdicts = verdictsOf(run);
  const durationSeconds = (Date.now() - beganAt) / 1_000;
  const report: RebuildReport = { ...run, ...{ seed, form, events, durationSeconds, verdicts } };
  const lines = json ? [JSON.stringify({ ...report, passed: isHeld(report) })] : reportLines(report);
  process.stdout.write(`${lines.join('\n')}\n`);
  return isHeld(report);
}

/** The same tier into one, two and seven shards. In the quick form the kills are divided among them. */
function runsOf(form: 'quick' | 'full'): RunToStrike[] {
  const whole = ['rebuild', 'run', 'oltp', '--databases', 'OLTP_DATABASE_URL_A'];
  const into = (shards: number): string[] => [
    ...['repartition', 'run', 'oltp', '--shards', String(shards)],
    ...['--databases', databases, '--source', 'replay'],
  ];
  const isFull = form === 'full';
  return [
    { shards: 1, args: whole, killsAt: killsOfFullForm, killsPostgres: isFull },
    { shards: 2, args: into(2), killsAt: isFull ? killsOfFullForm : [50], killsPostgres: true },
    { shards: 7, args: into(7), killsAt: isFull ? killsOfFullForm : [25, 75], killsPostgres: isFull },
  ];
}

function notice(text: string): void {
  process.stderr.write(`${text}\n`);
}
