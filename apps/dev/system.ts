import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { removeDevEnvironment, writeDevEnvironment } from '../shared/config/dev-environment';
import { ConfigError } from '../shared/config/load-config';
import { tierDatabaseUrls } from '../shared/config/tier-databases';
import { lockDataDirectory } from './data-directory-lock';
import { keepPostgresRunning, openDatabases, prepareDatabases } from './databases';
import { choosePort } from './ports';
import { openCacheServer } from './redis';
import { loadSecrets, type Secrets } from './secrets';
import { Supervisor } from './supervisor';

const host = '127.0.0.1';
/** With PostgreSQL's own share these add up to less than 10 s. */
const appStopTimeoutMs = 3_500;
/** A run that it fills can be resumed wherever it is cut off. */
const consoleStopTimeoutMs = 1_000;
const nodeStopTimeoutMs = 2_000;
const postgresStopTimeoutMs = 2_500;

export interface SystemOptions {
  /** Keeps everything: log, read models, secrets, log files. */
  readonly dataDir: string;
  /**
   * Variables as documented in .env.example. EVENT_STORE_NODE_PORT, COMMAND_API_PORT, QUERY_API_PORT and CONSOLE_PORT may
   * be `0` for any free port; without them the usual ones are taken, or the next free ones.
   */
  readonly env?: NodeJS.ProcessEnv;
  /** For a log whose mail is threaded already: without the reactor, which would look at each of them and find nothing to do. */
  readonly withoutReactor?: boolean;
  /** For a log that is written first and projected afterwards: until {@link System.startProjector}. */
  readonly withoutProjector?: boolean;
  /** What happens, in lines for people. */
  readonly report?: (line: string) => void;
  /** Gives the start up; what was started is stopped again. */
  readonly signal?: AbortSignal;
}

export interface System {
  readonly urls: {
    readonly commandApi: string;
    readonly queryApi: string;
    readonly console: string;
    readonly eventStore: string;
  };
  /** What `npx mailfold` and other tools need to reach this system. Holds secrets. */
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
  readonly cacheDescription: string;
  /** By name, `postgres` and `redis` included, of those running at this moment. */
  pids(): Record<string, number>;
  /** Starts the projector, where `withoutProjector` has kept it back. Call it once. */
  startProjector(): Promise<void>;
  /** Stops everything in order, within 10 s. */
  stop(): Promise<void>;
}

/**
 * Brings up a whole Mailfold on embedded parts, or on those the environment names, and keeps it running.
 * Throws DataDirectoryInUse, ConfigError, EmbeddedPostgresError, or what kept a process from starting; nothing runs then.
 */
export async function startSystem(options: SystemOptions): Promise<System> {
  const closers: (() => unknown)[] = [];
  const stop = once(async () => {
    for (let close = closers.pop(); close !== undefined; close = closers.pop()) await close();
  });
  try {
    return { ...(await start(options, (close) => closers.push(close))), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: SystemOptions,
  onStop: (close: () => unknown) => void,
): Promise<Omit<System, 'stop'>> {
  const { env = process.env, report = () => undefined, signal } = options;
  if (!env['EVENTSTORE_URL']) refuseSecureNode(env);
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  onStop(lockDataDirectory(dataDir));
  const secrets = loadSecrets(dataDir, env);

  report('PostgreSQL ...');
  const databases = await openDatabases(dataDir, env);
  const { embedded } = databases;
  if (embedded) {
    onStop(() => embedded.stop(postgresStopTimeoutMs));
    keepPostgresRunning(embedded, report);
    if (!embedded.cluster.startsWith(dataDir)) report(`the cluster lies in ${embedded.cluster}`);
  }
  const cache = await openCacheServer(dataDir, env, report);
  onStop(() => cache.stop());
  signal?.throwIfAborted();
  report('migrations ...');
  await prepareDatabases(databases.urls);
  signal?.throwIfAborted();

  const shared = {
    ...databases.urls,
    // Those of further shards are told to the command line with the rest.
    ...Object.fromEntries(tierDatabaseUrls({ ...env, ...databases.urls })),
    DATA_DIR: dataDir,
    ...(cache.url === undefined ? {} : { REDIS_URL: cache.url }),
  };
  const supervisor = new Supervisor(join(dataDir, 'log'), report);
  onStop(() => supervisor.stop());
  const { withoutReactor = false, withoutProjector = false } = options;
  const surroundings = { env, shared, secrets, report, withoutReactor, withoutProjector };
  const urls = await abortable(startProcesses(supervisor, surroundings), signal);
  const environment = {
    ...shared,
    EVENTSTORE_URL: urls.eventStore,
    COMMAND_API_URL: urls.commandApi,
    QUERY_API_URL: urls.queryApi,
    CONSOLE_URL: urls.console,
    MAILFOLD_ADMIN_KEY: secrets.adminKey,
    MAILFOLD_ROOT_KEY: secrets.rootKey,
  };
  writeDevEnvironment(dataDir, environment);
  onStop(() => removeDevEnvironment(dataDir));
  return {
    urls,
    environment,
    secrets,
    cacheDescription: cache.description,
    pids: () => ({
      ...supervisor.pids(),
      ...(embedded ? { postgres: embedded.pid } : {}),
      ...(cache.pid() === null ? {} : { redis: cache.pid() ?? 0 }),
    }),
    startProjector: async () => {
      const projector = projectorOf(surroundings, urls.eventStore);
      await abortable(supervisor.start([projector], { stopTimeoutMs: appStopTimeoutMs }), signal);
    },
  };
}

interface Surroundings {
  readonly env: NodeJS.ProcessEnv;
  readonly shared: Readonly<Record<string, string>>;
  readonly secrets: Secrets;
  readonly report: (line: string) => void;
  readonly withoutReactor: boolean;
  readonly withoutProjector: boolean;
}

async function startProcesses(supervisor: Supervisor, surroundings: Surroundings): Promise<System['urls']> {
  const { env, report } = surroundings;
  const portOf = async (variable: string, usual: number): Promise<string> => {
    const { port, moved } = await choosePort(variable, usual, env, host);
    if (moved) report(`port ${usual} is taken, so ${variable}=${port}`);
    return String(port);
  };
  const eventStore = env['EVENTSTORE_URL'] || (await startNode(supervisor, surroundings, portOf));

  report('command API, query API, projector, reactor, console ...');
  const { withoutReactor, withoutProjector, secrets } = surroundings;
  const { adminKey } = secrets;
  const log = accessToLog(surroundings, eventStore);
  const ports = await supervisor.start(
    [
      app('command-api', 'COMMAND_API_PORT', surroundings, {
        ...log,
        MAILFOLD_ADMIN_KEY: adminKey,
        COMMAND_API_PORT: await portOf('COMMAND_API_PORT', 4001),
      }),
      app('query-api', 'QUERY_API_PORT', surroundings, {
        MAILFOLD_ADMIN_KEY: adminKey,
        QUERY_API_PORT: await portOf('QUERY_API_PORT', 4002),
      }),
      ...(withoutProjector ? [] : [projectorOf(surroundings, eventStore)]),
      ...(withoutReactor ? [] : [app('reactor', 'REACTOR_PORT', surroundings, log)]),
    ],
    { stopTimeoutMs: appStopTimeoutMs },
  );
  const apis = {
    commandApi: `http://${host}:${ports['command-api']}`,
    queryApi: `http://${host}:${ports['query-api']}`,
  };
  // After the query API, whose reads it times and compares.
  const operator = app('console', 'CONSOLE_PORT', surroundings, {
    ...log,
    MAILFOLD_ADMIN_KEY: adminKey,
    QUERY_API_URL: apis.queryApi,
    CONSOLE_PORT: await portOf('CONSOLE_PORT', 4003),
  });
  const file = join(__dirname, '..', 'mailfold', 'console', 'main.js');
  const consolePorts = await supervisor.start([{ ...operator, file }], {
    stopTimeoutMs: consoleStopTimeoutMs,
  });
  return { ...apis, eventStore, console: `http://${host}:${consolePorts['console']}` };
}

/** The event-store node of our own, where no EventStoreDB is given. Resolves to its URL. */
async function startNode(
  supervisor: Supervisor,
  surroundings: Surroundings,
  portOf: (variable: string, usual: number) => Promise<string>,
): Promise<string> {
  surroundings.report('event store ...');
  const port = await portOf('EVENT_STORE_NODE_PORT', 2113);
  const node = app('event-store-node', 'EVENT_STORE_NODE_PORT', surroundings, {
    EVENT_STORE_NODE_PORT: port,
  });
  const ports = await supervisor.start([node], { stopTimeoutMs: nodeStopTimeoutMs });
  return `esdb://${host}:${ports['event-store-node']}?tls=false`;
}

/** The processes beside the node would not know its certificate; and to leave the password out would open a closed door. */
function refuseSecureNode(env: NodeJS.ProcessEnv): void {
  const [variable] = ['TLS_CERTIFICATE_FILE', 'TLS_PRIVATE_KEY_FILE', 'PASSWORD', 'PASSWORD_FILE']
    .map((name) => `EVENT_STORE_NODE_${name}`)
    .filter((name) => env[name]);
  if (variable !== undefined)
    throw new ConfigError(
      `Configuration: ${variable} is for a node that is run by itself: start it, and set EVENTSTORE_URL to its URL`,
    );
}

interface App {
  readonly name: string;
  readonly file: string;
  readonly portVariable: string;
  readonly env: Readonly<Record<string, string>>;
}

function projectorOf(surroundings: Surroundings, eventStore: string): App {
  return app('projector', 'PROJECTOR_PORT', surroundings, accessToLog(surroundings, eventStore));
}

/** With the key to what is sealed in it. */
function accessToLog({ secrets }: Surroundings, eventStore: string): Record<string, string> {
  return { EVENTSTORE_URL: eventStore, MAILFOLD_ROOT_KEY: secrets.rootKey };
}

function app(
  name: string,
  portVariable: string,
  { env, shared }: Surroundings,
  own: Readonly<Record<string, string>>,
): App {
  // The keys go only to whom they are given by name below.
  const inherited = Object.entries(env).filter(([key]) => !key.startsWith('MAILFOLD_'));
  const defined = inherited.filter((entry): entry is [string, string] => entry[1] !== undefined);
  return {
    name,
    file: join(__dirname, '..', name, 'main.js'),
    portVariable,
    env: { ...Object.fromEntries(defined), ...shared, ...own },
  };
}

function once(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  return () => (running ??= action());
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const listening = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(new Error('Stopped while starting'));
    signal.addEventListener('abort', abort, { signal: listening.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    listening.abort();
  }
}
