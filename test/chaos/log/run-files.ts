import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { checkLog } from '../check-log';
import {
  JsonLines,
  readJsonLines,
  type Delivery,
  type LoggedEvent,
  type LogDump,
  type Operation,
} from './history';
import type { StruckFault } from './nemesis';
import type { ReportHead } from './report';
import type { LogRun } from './run-log';

interface StreamLine {
  readonly stream: string;
  readonly events: readonly LoggedEvent[];
}

interface RunFile extends ReportHead {
  readonly strayRejections: number;
  readonly failure: string | null;
}

/** What {@link readRun} needs, beside the histories that the writers wrote into `folder` themselves. */
export async function keepRun(folder: string, run: LogRun, head: ReportHead): Promise<void> {
  const { dump, deliveries, struck, violations, strayRejections, failure } = run;
  const streams: StreamLine[] = [...dump.streams].map(([stream, events]) => ({ stream, events }));
  for (const [name, lines] of Object.entries({ log: dump.all, streams, deliveries, struck, violations }))
    await writeLines(pathOf(folder, name), lines);
  await writeFile(
    join(folder, 'run.json'),
    JSON.stringify({ ...head, strayRejections, failure } satisfies RunFile),
  );
}

/** A run that was kept, with its checks made anew. Rejects when `folder` holds none. */
export async function readRun(folder: string): Promise<{ run: LogRun; head: ReportHead }> {
  const about = await readFile(join(folder, 'run.json'), 'utf8').catch(() => null);
  if (about === null) throw new Error(`${folder} holds no run of this campaign: there is no run.json in it`);
  const { failure, strayRejections, ...head } = JSON.parse(about) as RunFile;
  const histories = (await readdir(folder)).filter((name) => /^history-main-\d+\.ndjson$/.test(name));
  const operations = await Promise.all(histories.map((name) => readLines<Operation>(join(folder, name))));
  const [all, streams, deliveries, struck] = await Promise.all([
    readLines<LoggedEvent>(pathOf(folder, 'log')),
    readLines<StreamLine>(pathOf(folder, 'streams')),
    readLines<Delivery>(pathOf(folder, 'deliveries')),
    readLines<StruckFault>(pathOf(folder, 'struck')),
  ]);
  const dump: LogDump = { all, streams: new Map(streams.map(({ stream, events }) => [stream, events])) };
  const violations = checkLog(operations.flat(), dump, deliveries);
  const figures = { operations: operations.flat(), dump, deliveries, struck };
  return { run: { ...figures, violations, strayRejections, failure }, head };
}

function pathOf(folder: string, name: string): string {
  return join(folder, `${name}.ndjson`);
}

async function writeLines(path: string, lines: readonly object[]): Promise<void> {
  const file = new JsonLines(path);
  for (const line of lines) file.write(line);
  await file.end();
}

async function readLines<T>(path: string): Promise<T[]> {
  const lines: T[] = [];
  for await (const line of readJsonLines<T>(path)) lines.push(line);
  return lines;
}
