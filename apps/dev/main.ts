import { resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { writeDevEnvironment } from '../shared/config/dev-environment';
import { runDemo } from './demo';
import { runRebuildDemo } from './demo-rebuild';
import { Interrupted } from './demo-step';
import { createDemoTenant } from './demo-tenant';
import { renderScreen } from './screen';
import { storeDemoTenant } from './secrets';
import { startSystem, type System } from './system';

/** As a shell shows what Ctrl-C has ended. */
const interruptedExitCode = 130;

const write = (line: string): void => void process.stdout.write(`${line}\n`);

/** Aborts on Ctrl-C, SIGTERM, or when the parent that watches over us is gone. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect'] as const) {
    process.on(event, () => controller.abort(new Interrupted()));
  }
  return controller.signal;
}

async function run(dataDir: string): Promise<void> {
  const signal = stopSignal();
  // A terminal that was closed must not keep us from stopping in order.
  process.stdout.on('error', () => undefined);
  let system: System;
  try {
    system = await startSystem({ dataDir, report: write, signal });
  } catch (error) {
    if (signal.aborted) return write('stopped.');
    throw error;
  }
  try {
    if (!signal.aborted) await showScreen(system, dataDir);
    // The event loop stays alive through the children; this waits for the wish to stop.
    if (!signal.aborted) await new Promise<void>((done) => signal.addEventListener('abort', () => done()));
    write('stopping ...');
  } finally {
    await system.stop();
  }
  write('stopped.');
}

async function showScreen(system: System, dataDir: string): Promise<void> {
  const known = system.secrets.demo;
  const demo = known ?? (await createDemoTenant(system.urls.commandApi, system.secrets.adminKey));
  if (known === undefined) storeDemoTenant(dataDir, demo);
  writeDevEnvironment(dataDir, { ...system.environment, MAILFOLD_API_KEY: demo.apiKey });
  write(renderScreen(system, demo, dataDir));
  process.send?.({ type: 'ready', urls: system.urls, pids: system.pids() });
}

/** Interrupted, it says so at once, and ends when nothing of the demo is left. */
async function demonstrate(
  run: (write: (line: string) => void, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const signal = stopSignal();
  process.stdout.on('error', () => undefined);
  signal.addEventListener('abort', () => write('Interrupted: stopping everything and removing its data ...'));
  await run((line) => signal.aborted || write(line), signal);
}

function eventCount(text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1_000)
    throw new InvalidArgumentError('It takes a whole number from 1000 up.');
  return count;
}

async function main(): Promise<void> {
  const program = new Command('mailfold-dev').description('Runs a whole Mailfold on this machine.');
  program
    .command('start')
    .description('start everything and keep it running until Ctrl-C')
    .action(() => run(resolve(process.env['DATA_DIR'] || '.mailfold')));
  const demo = program
    .command('demo')
    .description('run the main job once from nothing, check every answer, leave nothing behind')
    .action(() => demonstrate(runDemo));
  demo
    .command('rebuild')
    .description('spread a tier that serves over four shards in two databases, while others read and write')
    .option('--events <n>', 'length of the log', eventCount, 200_000)
    .action(({ events }: { events: number }) =>
      demonstrate((tell, signal) => runRebuildDemo(tell, signal, { events })),
    );
  await program.parseAsync();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    if (error instanceof Interrupted) process.exit(interruptedExitCode);
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
