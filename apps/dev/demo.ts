import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { removeDataDirectory } from '../shared/embedded/directories';
import { runMailfold, type CliRecord } from './demo-cli';
import { DemoClient } from './demo-client';
import { expectEqual } from './demo-expectation';
import { checkContent, checkConversations, conversationPage, importSample } from './demo-mail-steps';
import { readContinuously } from './demo-reader';
import { sample } from './demo-sample';
import { isAlive, step } from './demo-step';
import { checkAnalytics, checkWork, createTeam, workOnConversation } from './demo-team-steps';
import { startSystem, type System } from './system';

const durationMaxMs = 60_000;

/**
 * The main job once, from nothing, on a system of its own that leaves nothing behind: start, import, thread, assign, reply,
 * query, rebuild a tier while reads go on, verify, stop. Prints a line per step.
 * Throws UnexpectedAnswer at the first answer that is not the expected one, after 60 s, and the signal's reason when stopped.
 */
export async function runDemo(write: (line: string) => void, stopSignal: AbortSignal): Promise<void> {
  const startedAt = Date.now();
  const dataDir = mkdtempSync(join(tmpdir(), 'mailfold-demo-'));
  const signal = AbortSignal.any([stopSignal, AbortSignal.timeout(durationMaxMs)]);
  let system: System | undefined;
  let telling: Promise<number> | undefined;
  let reads: number;
  let pids: number[] = [];
  try {
    system = await step(write, 'Start everything from nothing', async () => {
      const started = await startSystem({ dataDir, env: emptyEnvironment(), signal });
      pids = Object.values(started.pids());
      return { result: started, told: `${pids.length} processes, cache: ${started.cacheDescription}` };
    });
    telling = tell(system, write, signal);
    reads = await abortable(telling, signal);
  } catch (error) {
    // What fails once the demo was stopped fails because of that.
    throw stopSignal.aborted ? stopSignal.reason : error;
  } finally {
    await system?.stop();
    // It was told to stop, or can reach nothing any more; what it has started ends with it.
    await telling?.catch(() => undefined);
    await removeDataDirectory(dataDir);
  }
  stopSignal.throwIfAborted();
  await step(write, 'Stop', async () => {
    expectEqual('the processes left', pids.filter(isAlive), []);
    expectEqual('the data folder', existsSync(dataDir), false);
    return { result: undefined, told: 'no process and no file is left' };
  });
  const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1);
  write(
    `Demo done in ${seconds} s: ${sample.mails} mails in ${Object.keys(sample.conversations).length} conversations, ` +
      `1 tier rebuilt during ${reads} reads without an error, every answer as expected.`,
  );
}

/** Resolves to how many reads went on during the rebuild. */
async function tell(system: System, write: (line: string) => void, signal: AbortSignal): Promise<number> {
  const team = await step(write, 'Create a tenant, two agents, a mailbox', async () => ({
    result: await createTeam(system),
    told: 'support@example.com',
  }));
  const client = new DemoClient(system.urls, team.apiKey);
  const mails = await step(write, 'Import the sample mailbox', async () => ({
    result: await importSample(system, team, client, signal),
    told: `${sample.accepted} accepted, ${sample.duplicates.length} duplicate, ${sample.parked.length} parked with its reason`,
  }));
  await step(write, 'Find every conversation', async () => {
    await checkConversations(client, team.mailboxId, mails);
    const names = Object.keys(sample.conversations);
    return { result: undefined, told: `${names.length}, exactly as expected` };
  });
  await step(write, 'Read the content', async () => {
    await checkContent(client, mails);
    return { result: undefined, told: 'bytes equal by sha256, script gone, attachment safe' };
  });
  const conversationId = await step(write, 'Assign, reply, note, mark as read', async () => ({
    result: await workOnConversation(client, team, mails),
    told: 'and the agent with an old ETag is told 412',
  }));
  await step(write, 'Query inbox, agent and daily figures', async () => {
    await checkWork(client, team, conversationId);
    await checkAnalytics(client, new Date());
    return { result: undefined, told: 'each read waited for its own write' };
  });
  const reads = await step(write, 'Rebuild the OLTP tier while reads go on', () =>
    rebuildWhileReading(
      system,
      client,
      [`/v1/conversations?mailboxId=${team.mailboxId}`, `/v1/conversations/${conversationId}`],
      signal,
    ),
  );
  await step(write, 'Verify the new generation against the old one', async () => {
    const tables = await verify(system, signal);
    return { result: undefined, told: `${tables} tables equal, row by row digest` };
  });
  return reads;
}

async function rebuildWhileReading(
  system: System,
  client: DemoClient,
  paths: readonly string[],
  signal: AbortSignal,
): Promise<{ result: number; told: string }> {
  const list = `${paths[0] ?? ''}&limit=200`;
  const before = (await client.read(list, conversationPage)).body;
  const reader = readContinuously(client, paths);
  let records: CliRecord[];
  let seen;
  try {
    records = await runMailfold(
      ['rebuild', 'run', 'oltp', '--verify', '--cutover'],
      system.environment,
      signal,
    );
  } finally {
    seen = await reader.stop();
  }
  expectEqual('the faults that readers met', seen.faults, []);
  const { state, generations } = z
    .object({
      state: z.string(),
      generations: z.array(z.object({ generation: z.number(), isLive: z.boolean() })),
    })
    .parse(records.at(-1));
  expectEqual(
    'what serves',
    { state, generations },
    { state: 'serving', generations: [{ generation: 2, isLive: true }] },
  );
  expectEqual('the inbox after the switch', (await client.read(list, conversationPage)).body, before);
  return {
    result: seen.reads,
    told: `generation 1 -> 2, ${seen.reads} reads, 0 errors, no position went back`,
  };
}

async function verify(system: System, signal: AbortSignal): Promise<number> {
  const records = await runMailfold(['verify', 'oltp'], system.environment, signal);
  const shape = z.object({
    equal: z.boolean(),
    tables: z.array(z.object({ table: z.string(), equal: z.boolean() })),
  });
  const { equal, tables } = shape.parse(records.at(-1));
  expectEqual(
    'the digests',
    { equal, different: tables.filter((table) => !table.equal) },
    { equal: true, different: [] },
  );
  return tables.length;
}

/** Nothing that leads to another system, and any free ports: a demo must not touch what runs already. */
function emptyEnvironment(): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR, LANG } = process.env;
  return {
    ...{ PATH, HOME, TMPDIR, LANG },
    EVENT_STORE_NODE_PORT: '0',
    COMMAND_API_PORT: '0',
    QUERY_API_PORT: '0',
    CONSOLE_PORT: '0',
  };
}

async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => {
      const isLate = (signal.reason as Error).name === 'TimeoutError';
      reject(new Error(isLate ? `not done after ${durationMaxMs / 1_000} s` : 'stopped'));
    };
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
  return Promise.race([work, aborted]);
}
