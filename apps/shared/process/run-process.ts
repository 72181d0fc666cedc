import { z } from 'zod';
import { sharedVariables } from '../config/databases';
import { ConfigError, loadConfig } from '../config/load-config';
import { createLog, type Logger } from './log';

const shutdownTimeoutMs = 10_000;

export interface ProcessContext {
  readonly log: Logger;
  /** Hooks run in reverse order of registration: what was opened last is closed first. */
  onShutdown(hook: () => unknown): void;
}

/** What a process tells its parent over IPC once it serves. */
export interface ReadyMessage {
  readonly type: 'ready';
  readonly port?: number;
}

let strayRejections = 0;

/** Rejections nobody handled since the start, for health pages and metrics. */
export function strayRejectionCount(): number {
  return strayRejections;
}

/**
 * The frame of every process: log, ready message, orderly end.
 * SIGTERM, SIGINT or the death of the parent run the shutdown hooks, within 10 s, and exit 0 (1 when they took longer).
 * Exit 2 with one line on stderr for a {@link ConfigError}; exit 1 for anything else that `start` throws.
 */
export function runProcess(
  name: string,
  start: (context: ProcessContext) => Promise<{ port?: number } | void>,
): void {
  let log: Logger;
  try {
    const config = loadConfig(z.object({ LOG_LEVEL: sharedVariables.LOG_LEVEL }));
    log = createLog(name, config.LOG_LEVEL);
  } catch (error) {
    return exitUnconfigured(error);
  }
  const shutdown = new Shutdown(log);
  surviveOrDie(log);
  process.on('SIGTERM', () => void shutdown.run(0, 'SIGTERM'));
  process.on('SIGINT', () => void shutdown.run(0, 'SIGINT'));
  process.on('disconnect', () => void shutdown.run(0, 'parent gone'));

  start({ log, onShutdown: (hook) => shutdown.add(hook) }).then(
    (result) => announceReady(log, result?.port),
    (error: unknown) => {
      if (error instanceof ConfigError) return exitUnconfigured(error);
      log.fatal({ err: error }, 'could not start');
      void shutdown.run(1, 'could not start');
    },
  );
}

function announceReady(log: Logger, port: number | undefined): void {
  const message: ReadyMessage = { type: 'ready', ...(port === undefined ? {} : { port }) };
  log.info(port === undefined ? {} : { port }, 'ready');
  // A parent that died a moment ago is not an error of ours: its 'disconnect' ends us in order.
  process.send?.(message, undefined, undefined, () => undefined);
}

function surviveOrDie(log: Logger): void {
  // EventStoreDB client 6.2.1 raises rejections nobody can catch when a node goes away (event-store.md §2.3, §4.2), and
  // what it stood for is retried by its caller. So they are counted, and do not kill.
  process.on('unhandledRejection', (reason) => {
    strayRejections += 1;
    log.error({ err: reason, strayRejections }, 'unhandled rejection');
  });
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'uncaught exception');
    process.exit(1);
  });
}

function exitUnconfigured(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
}

class Shutdown {
  private readonly hooks: (() => unknown)[] = [];
  private running = false;

  constructor(private readonly log: Logger) {}

  add(hook: () => unknown): void {
    this.hooks.push(hook);
  }

  async run(exitCode: number, reason: string): Promise<void> {
    if (this.running) return;
    this.running = true;
    this.log.info({ reason }, 'stopping');
    setTimeout(() => {
      this.log.error({ reason: 'shutdown hooks took too long' }, 'stopped by force');
      process.exit(1);
    }, shutdownTimeoutMs).unref();
    // Popped, not iterated: a start still under way may register what it has just opened.
    for (let hook = this.hooks.pop(); hook !== undefined; hook = this.hooks.pop()) {
      try {
        await hook();
      } catch (error) {
        this.log.error({ err: error }, 'shutdown hook failed');
      }
    }
    process.exit(exitCode);
  }
}
