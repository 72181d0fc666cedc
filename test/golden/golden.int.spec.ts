import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { currentSchemaVersions, type MailfoldEvent } from '../../domain/catalogue.events';
import { command } from '../../domain/command/command';
import { conversation } from '../../domain/conversation/conversation';
import type { Recorded } from '../../domain/event';
import { mailbox } from '../../domain/mailbox/mailbox';
import { message } from '../../domain/message/message';
import { parseStreamName } from '../../domain/stream-name';
import { tenant } from '../../domain/tenant/tenant';
import { thread } from '../../domain/thread/thread';
import { user } from '../../domain/user/user';
import { projectionTiers } from '../../projections/tiers';
import { createEventCodec, type EventCodec } from '../../apps/shared/event-store/event-codec';
import { currentShapes, shapeFaults } from '../../apps/shared/event-store/event-shapes';
import { createKeyRing } from '../../apps/shared/keys/key-ring';
import { createMailParser, type MailParser } from '../../apps/shared/mail/mail-parser';
import { ContentReader } from '../../apps/shared/projecting/content-reader';
import { MemoryEventStore } from '../support/memory-event-store';
import { project, type Rows } from '../support/projection-spec';
import {
  keysFile,
  knownNames,
  openGoldenKeys,
  readSamples,
  readSums,
  shapeNamed,
  type GoldenKeys,
  type KeysFile,
} from './golden-samples';
import { story } from './story';

const samples = readSamples();
const deciders: Record<string, { initialState: unknown; evolve(state: never, event: never): unknown }> = {
  ...{ command, conversation, mailbox, message, tenant, thread, user },
};

let golden: GoldenKeys;
let codec: EventCodec;
let parser: MailParser;

beforeAll(async () => {
  golden = await openGoldenKeys(JSON.parse(readFileSync(keysFile, 'utf8')) as KeysFile);
  codec = createEventCodec(golden.keys);
  parser = createMailParser({ threads: 1, timeoutMs: 30_000 });
});
afterAll(async () => {
  await parser?.close();
  await golden?.stop();
});

async function decoded(index: number): Promise<Recorded<MailfoldEvent>> {
  const sample = samples[index];
  if (sample === undefined) throw new Error(`no sample ${index}`);
  const event = await codec.decode(sample.event);
  if ('undecodable' in event) throw new Error(`${sample.name} cannot be read: ${event.reason}`);
  return event;
}

/** What one more event does to the aggregate of its stream, decided after all samples before it. */
function stateAfter(history: readonly Recorded<MailfoldEvent>[]): unknown {
  const last = history.at(-1);
  const decider = deciders[parseStreamName(last?.streamName ?? '')?.category ?? ''];
  if (decider === undefined) throw new Error(`no decider for ${last?.streamName}`);
  return history
    .filter(({ streamName }) => streamName === last?.streamName)
    .reduce((state, event) => decider.evolve(state as never, event as never), decider.initialState);
}

/** The rows of every projection of every tier after the samples up to this one. */
async function rowsAfter(history: readonly Recorded<MailfoldEvent>[]): Promise<Rows> {
  const all: Rows = new Map();
  for (const { projections, withContent } of projectionTiers) {
    const reader = new ContentReader(new MemoryEventStore(), parser);
    const joined = await Promise.all(
      history.map(async (event) => (withContent ? reader.join(event) : event)),
    );
    const events = joined.flatMap((event) => (event === null || 'undecodable' in event ? [] : [event]));
    for (const projection of projections)
      for (const [table, rows] of project(projection, events)) all.set(table, rows);
  }
  return all;
}

function changedRows(before: Rows, after: Rows): unknown {
  return [...after].flatMap(([table, rows]) => {
    const earlier = before.get(table) ?? new Map<string, object>();
    const text = (row: object | undefined): string => JSON.stringify(plain(row));
    return [
      ...[...rows]
        .filter(([key, row]) => text(earlier.get(key)) !== text(row))
        .map(([, row]) => ({ table, row })),
      ...[...earlier.keys()].filter((key) => !rows.has(key)).map((key) => ({ table, removed: key })),
    ];
  });
}

/** Bytes by their digest, maps as entries: a snapshot is read by people. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `sha256:${createHash('sha256').update(value).digest('hex')}`;
  if (value instanceof Map) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

describe('the golden samples', () => {
  it('are there for every type and version this build can read, and for no other', () => {
    expect(samples.map(({ name }) => name).sort()).toEqual(knownNames());
  });

  it.each(samples.map((sample) => [sample.name, sample] as const))(
    'hold %s as it was stored',
    (name, sample) => {
      expect(sample.sha256).toBe(readSums().get(name));
      expect(`${sample.event.type}.v${String(sample.event.metadata['schemaVersion'])}`).toBe(name);
    },
  );

  it('are all listed', () => {
    expect([...readSums().keys()].sort()).toEqual(samples.map(({ name }) => name).sort());
  });
});

describe('this build', () => {
  it.each(samples.map((sample) => [sample.name, sample.shape] as const))(
    'gives %s the shape it had: a change is a new version',
    (name, shape) => expect(shapeNamed(name)).toEqual(shape),
  );

  it.each(samples.map(({ name }, index) => [name, index] as const))(
    'makes of %s what it always did',
    async (_name, index) => {
      const history = await Promise.all(samples.slice(0, index + 1).map((_sample, at) => decoded(at)));
      const [before, after] = [await rowsAfter(history.slice(0, -1)), await rowsAfter(history)];
      const event = history[index];
      expect(
        plain({ event, state: stateAfter(history), rows: changedRows(before, after) }),
      ).toMatchSnapshot();
    },
  );

  it.each(samples.map(({ name }, index) => [name, index] as const))(
    'brings %s to the current shape, and no field more',
    async (_name, index) => {
      const { type, data } = await decoded(index);
      expect(shapeFaults(currentShapes[type], data)).toEqual([]);
    },
  );

  it.each(story().map(({ event }) => [event.type, event] as const))(
    'writes %s in its current shape',
    (type, event) => expect(shapeFaults(currentShapes[type], event.data)).toEqual([]),
  );

  it('is asked for every type it writes', () => {
    expect(
      story()
        .map(({ event }) => event.type)
        .sort(),
    ).toEqual(Object.keys(currentSchemaVersions).sort());
  });
});

describe('once the tenant is erased', () => {
  it('every sample can still be read, with nothing personal in it', async () => {
    await golden.pool.query('update data_keys set wrapped = null, destroyed_at = now()');
    const { rootKey } = JSON.parse(readFileSync(keysFile, 'utf8')) as KeysFile;
    const keys = createKeyRing({ pool: golden.pool, rootKey: Buffer.from(rootKey, 'base64') });
    const reader = createEventCodec(keys);
    const events = await Promise.all(samples.map(async ({ event }) => reader.decode(event)));
    const unread = events.flatMap((event) => ('undecodable' in event ? [event.reason] : []));
    expect(unread).toEqual([]);
    expect(JSON.stringify(plain(events.map((event) => ({ ...event, position: 0 }))))).not.toMatch(
      /Acme|cara@|Where is my order|depot/i,
    );
  });
});
