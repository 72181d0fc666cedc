import { sampleLog } from '../../apps/dev/sample-log/sample-log';
import { createMailParser, type MailParser } from '../../apps/shared/mail/mail-parser';
import { ContentReader } from '../../apps/shared/projecting/content-reader';
import type { ContentEvent } from '../../projections/content-event';
import type { AnyTable, RowOperation } from '../../projections/projection';
import { projectionTiers, tablesOf } from '../../projections/tiers';

// A table that calls itself written-once is filled without folding. That is right only if what it says is true.

const writtenOnce = projectionTiers.flatMap(tablesOf).filter(({ isWrittenOnce }) => isWrittenOnce === true);
const operations = new Map<AnyTable, RowOperation[]>();
let parser: MailParser;

beforeAll(async () => {
  parser = createMailParser({ threads: 2, timeoutMs: 30_000 });
  for await (const event of events())
    for (const { projections } of projectionTiers)
      for (const operation of projections.flatMap((projection) => projection.project(event)))
        operations.set(operation.table, [...(operations.get(operation.table) ?? []), operation]);
});
afterAll(() => parser.close());

/** A sample log as readers of content see it. */
async function* events(): AsyncGenerator<ContentEvent> {
  const reader = new ContentReader(
    { readStream: () => Promise.reject(new Error('content lies beside its message')) },
    parser,
  );
  const keys = { pepper: () => Promise.resolve(Buffer.alloc(32, 7)) };
  let position = 0n;
  for await (const { appends } of sampleLog({ seed: 3, events: 1_500, tenants: 3, keys }).acts)
    for (const { streamName, expected, events: appended } of appends)
      for (const [index, { id, event, metadata }] of appended.entries()) {
        const revision = (expected === 'no-stream' ? 0 : expected + 1) + index;
        const place = { id, metadata, streamName, revision, position: (position += 1n) };
        const joined = await reader.join({ ...event, ...place });
        if (joined !== null && !('undecodable' in joined)) yield joined;
      }
}

it('some tables are written once', () => {
  expect(writtenOnce.map(({ name }) => name).sort()).toEqual([
    'attachments',
    'content_objects',
    'message_recipients',
  ]);
});

describe.each(writtenOnce)('a row of $name', (table) => {
  const ofTable = (): RowOperation[] => operations.get(table) ?? [];

  it('is made by one event', () => {
    const keys = ofTable().map(({ tenantId, key }) => JSON.stringify([tenantId, ...key]));
    expect(keys.length).toBeGreaterThan(10);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('is what its event says, whatever was there before', () => {
    for (const { fold } of ofTable()) {
      const row = fold(null);
      expect(row).not.toBeNull();
      expect(fold({ somethingElse: true })).toEqual(row);
    }
  });

  it('changes no other row', () => {
    expect(table.derive).toBeUndefined();
  });
});
