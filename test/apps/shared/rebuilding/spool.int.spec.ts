import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ReadableEvent } from '../../../../apps/shared/projecting/fold-event';
import type { SpoolPlace } from '../../../../apps/shared/rebuilding/contracts';
import { readSpool, readSummary } from '../../../../apps/shared/rebuilding/spool/read-spool';
import { partName, rangeFile, SpoolWriter } from '../../../../apps/shared/rebuilding/spool/spool-file';
import type { ContentEvent } from '../../../../projections/content-event';
import { RecordedLog } from '../../../support/recorded-log';

let place: SpoolPlace;

beforeEach(() => {
  place = { folder: mkdtempSync(join(tmpdir(), 'mf-spool-')), key: randomBytes(32) };
});
afterEach(() => rmSync(place.folder, { recursive: true, force: true }));

function writeRange(
  range: number,
  events: readonly ReadableEvent[],
  parts: readonly string[] = [partName(0, 0)],
): void {
  const writer = new SpoolWriter(place, range);
  for (const event of events) writer.add(event, parts);
  writer.finish({ events: events.length });
}

function read(ranges: number, tier: number, bucket: number): ReadableEvent[] {
  return [...readSpool({ ...place, ranges }, tier, bucket)].flat();
}

function mails(count: number): ReadableEvent[] {
  const log = new RecordedLog();
  for (let n = 0; n < count; n++) log.mail(`mail ${n}`, { subject: `Über "${n}"\n\t𝒳 \u0000` });
  return log.events;
}

it('gives back what was written, in the order of the log, over many blocks and ranges', () => {
  const events = mails(400);
  const ofBothTiers = [partName(0, 3), partName(1, 3)];
  writeRange(0, events.slice(0, 700), ofBothTiers);
  writeRange(1, events.slice(700), ofBothTiers);
  expect(read(2, 0, 3)).toEqual(events);
  expect(read(2, 1, 3)).toEqual(events);
  expect([...readSpool({ ...place, ranges: 2 }, 0, 3)].length).toBeGreaterThan(3);
  expect(readSummary(place, 1)).toEqual({ events: events.length - 700 });
});

it('gives a tier and a bucket their own events only', () => {
  const [one, other, third] = mails(1);
  const writer = new SpoolWriter(place, 0);
  writer.add(one!, [partName(0, 1), partName(0, 2), partName(1, 2)]);
  writer.add(other!, [partName(1, 1)]);
  writer.add(third!, [partName(0, 2)]);
  writer.finish(null);
  expect(read(1, 0, 1)).toEqual([one]);
  expect(read(1, 1, 1)).toEqual([other]);
  expect(read(1, 0, 2)).toEqual([one, third]);
  expect(read(1, 1, 2)).toEqual([one]);
  expect(read(1, 0, 5)).toEqual([]);
});

it('keeps poison with its reason, and content where an event carries it', () => {
  const [event] = mails(1);
  const { id, streamName, type, revision, position } = event!;
  const poison = { undecodable: true as const, id, streamName, type, revision, position, reason: 'no "key"' };
  const content = {
    ...{ raw: randomBytes(300), text: Buffer.from('Grüße'), html: null, compression: 'gzip' as const },
    ...{
      headers: [{ name: 'Subject', value: 'Hello' }],
      attachments: [],
      parserVersion: 2,
      parkedReason: null,
    },
  };
  const joined = { ...(event as ContentEvent), content };
  writeRange(0, [poison, joined]);
  const [poisonRead, joinedRead] = read(1, 0, 0);
  expect(poisonRead).toEqual(poison);
  expect(joinedRead).toEqual(joined);
});

it('shows nobody without the key what it holds', () => {
  writeRange(0, mails(3));
  const bytes = readFileSync(rangeFile(place, 0));
  for (const personal of ['cara@customer.example', 'MessageReceived', 'events'])
    expect(bytes.includes(personal)).toBe(false);
  expect(() => [...readSpool({ ...place, key: randomBytes(32), ranges: 1 }, 0, 0)]).toThrow();
});

it('refuses a file of which any byte was changed, or another one in its place', () => {
  writeRange(0, mails(2));
  writeRange(1, mails(3));
  const bytes = readFileSync(rangeFile(place, 0));
  for (const at of [20, Math.floor(bytes.length / 2), bytes.length - 20]) {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    writeFileSync(rangeFile(place, 0), changed);
    expect(() => read(1, 0, 0)).toThrow();
  }
  writeFileSync(rangeFile(place, 0), readFileSync(rangeFile(place, 1)));
  expect(() => read(1, 0, 0)).toThrow();
  writeFileSync(rangeFile(place, 0), bytes.subarray(0, bytes.length - 1));
  expect(() => read(1, 0, 0)).toThrow();
});

it('leaves no file of a range that was given up', () => {
  const writer = new SpoolWriter(place, 0);
  for (const event of mails(100)) writer.add(event, [partName(0, 0)]);
  writer.abandon();
  expect(readdirSync(place.folder)).toEqual([]);
});
