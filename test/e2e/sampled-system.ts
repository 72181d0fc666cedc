import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DemoClient } from '../../apps/dev/demo-client';
import { readContinuously, type ReadsSeen } from '../../apps/dev/demo-reader';
import { openSample, type OpenSample } from '../../apps/dev/demo-rebuild-sample';
import { writeContinuously, type WritesDone } from '../../apps/dev/live-writes';
import { appendSampleLog } from '../../apps/dev/sample-log/append-sample-log';
import type { SampleTenant } from '../../apps/dev/sample-log/sample-tenant';
import { loadDevEnvironment } from '../../apps/shared/config/dev-environment';
import { removeDataDirectory } from '../../apps/shared/embedded/directories';
import { copyClusterTemplate } from '../support/cluster-template';
import { startProcess, type TestProcess } from '../support/processes';
import { mailfold, type MailfoldRun } from './mailfold-process';

export const firstDatabase = 'OLTP_DATABASE_URL';
export const secondDatabase = 'OLTP_DATABASE_URL_B';

const readPauseMs = 100;
const eventsWrittenPerSecond = 20;

/** What those who read and write beside a test have met. */
export interface Traffic {
  readonly reads: ReadsSeen;
  readonly writes: WritesDone;
}

/**
 * A whole Mailfold without a reactor, with a second database for its OLTP tier and a sample log in it, that is read and
 * written all the time.
 */
export class SampledSystem {
  private traffic: { stop(): Promise<Traffic> } | undefined;

  private constructor(
    private readonly process: TestProcess,
    private readonly dataDir: string,
    /** What its processes were given: URLs, and the keys of the operator. */
    readonly env: Readonly<Record<string, string>>,
    private readonly sample: OpenSample,
  ) {}

  static async start({ seed, events }: { seed: number; events: number }): Promise<SampledSystem> {
    const dataDir = mkdtempSync(join(tmpdir(), 'mf-'));
    await copyClusterTemplate(dataDir);
    const process = await startProcess('test/support/sharded-system-process.js', {
      env: { DATA_DIR: dataDir },
      readyTimeoutMs: 60_000,
    });
    const variables: NodeJS.ProcessEnv = {};
    loadDevEnvironment(dataDir, variables);
    const env = variables as Record<string, string>;
    const sample = openSample({ urls: urlsOf(env), environment: env }, { seed, events });
    const { signal } = new AbortController();
    await appendSampleLog(sample.store, sample.log.acts, { signal, eventsMin: events });
    const system = new SampledSystem(process, dataDir, env, sample);
    await system.untilShown();
    return system;
  }

  /** The busiest one first. */
  get tenants(): readonly SampleTenant[] {
    return this.sample.log.tenants;
  }

  get store(): OpenSample['store'] {
    return this.sample.store;
  }

  /** Until queries show all that the log holds now. */
  untilShown(): Promise<void> {
    return this.sample.untilShown(() => undefined, new AbortController().signal);
  }

  /** From now on tenants read their screens, and the sample log goes on. */
  beginTraffic(): void {
    const readers = this.tenants.slice(0, 2).map(({ apiKey }) =>
      readContinuously(new DemoClient(urlsOf(this.env), apiKey), ['/v1/conversations?limit=20'], {
        pauseMs: readPauseMs,
      }),
    );
    const writer = writeContinuously(this.sample.store, this.sample.log.acts, {
      eventsPerSecond: eventsWrittenPerSecond,
    });
    this.traffic = {
      stop: async () => {
        const seen = await Promise.all(readers.map((reader) => reader.stop()));
        return {
          writes: await writer.stop(),
          reads: {
            reads: seen.reduce((sum, { reads }) => sum + reads, 0),
            slowestMs: Math.max(...seen.map(({ slowestMs }) => slowestMs)),
            faults: seen.flatMap(({ faults }) => faults),
          },
        };
      },
    };
  }

  async endTraffic(): Promise<Traffic> {
    const { traffic } = this;
    if (traffic === undefined) throw new Error('Nobody reads or writes');
    this.traffic = undefined;
    return traffic.stop();
  }

  /** For the command line: which data folder to take its defaults from, and nothing else. */
  get cliEnvironment(): Record<string, string> {
    return { DATA_DIR: this.dataDir };
  }

  mailfold(...args: string[]): Promise<MailfoldRun> {
    return mailfold(args, { env: this.cliEnvironment });
  }

  /** What the command leaves of its run, which has to come to the state. */
  async leads(to: string, ...args: string[]): Promise<RunSeen> {
    const { exitCode, records, stderr } = await this.mailfold(...args);
    const last = records.at(-1) ?? {};
    expect({ args, exitCode, stderr, state: last['state'] }).toMatchObject({ exitCode: 0, state: to });
    return last as unknown as RunSeen;
  }

  async stop(): Promise<void> {
    await this.traffic?.stop();
    await this.sample.close();
    await this.process.stop(15_000);
    await removeDataDirectory(this.dataDir);
  }
}

/** Of a run as `mailfold --json` shows it. */
export interface RunSeen {
  readonly run: number;
  readonly meaning: string;
  readonly generations: readonly {
    readonly generation: number;
    readonly targets: readonly { readonly databaseRef: string; readonly schema: string }[];
  }[];
}

function urlsOf(env: Readonly<Record<string, string>>) {
  return {
    commandApi: env['COMMAND_API_URL'] ?? '',
    queryApi: env['QUERY_API_URL'] ?? '',
    console: env['CONSOLE_URL'] ?? '',
    eventStore: env['EVENTSTORE_URL'] ?? '',
  };
}
