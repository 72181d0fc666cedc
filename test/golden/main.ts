import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { currentSchemaVersions } from '../../domain/catalogue.events';
import { createEventCodec } from '../../apps/shared/event-store/event-codec';
import {
  goldenFolder,
  keysFile,
  openGoldenKeys,
  readSamples,
  readSums,
  shapeNamed,
  sumsFile,
  type GoldenKeys,
  type KeysFile,
  type SampleFile,
} from './golden-samples';
import { story, tenantId } from './story';

// `npm run golden`: stores a sample of every type and version that the deciders write now and that has none yet.
// Samples that are there are left alone: they stand for what lies in logs out there.

async function main(): Promise<void> {
  const known = existsSync(keysFile)
    ? (JSON.parse(readFileSync(keysFile, 'utf8')) as KeysFile)
    : { rootKey: randomBytes(32).toString('base64'), rows: [] };
  const golden = await openGoldenKeys(known);
  try {
    const names = await addSamples(golden);
    await writeKeys(golden, known.rootKey);
    writeSums();
    process.stdout.write(names.length === 0 ? 'No sample is missing.\n' : `${names.join('\n')}\n`);
  } finally {
    await golden.stop();
  }
}

async function addSamples({ keys }: GoldenKeys): Promise<string[]> {
  const codec = createEventCodec(keys);
  const added: string[] = [];
  for (const { streamName, event } of story()) {
    const name = `${event.type}.v${currentSchemaVersions[event.type]}`;
    const samples = readSamples();
    if (samples.some((sample) => sample.name === name)) continue;
    const id = `00000000-0000-5000-8000-${String(samples.length + 1).padStart(12, '0')}`;
    const stored = await codec.encode(streamName, { id, event, metadata });
    const { data } = stored;
    const file: SampleFile = {
      event: {
        ...{
          streamName,
          revision: samples.filter((sample) => sample.event.streamName === streamName).length,
        },
        ...{ position: String((samples.length + 1) * 100), ...stored },
        data: data instanceof Uint8Array ? Buffer.from(data).toString('base64') : data,
      },
      shape: shapeNamed(name),
    };
    writeFileSync(join(goldenFolder, `${name}.json`), asText(file), { flag: 'wx' });
    added.push(name);
  }
  return added;
}

/** The codec stamps the schema version. */
const commandId = '00000000-0000-4000-8000-000000000099';
const metadata = {
  ...{ tenantId, schemaVersion: 1, occurredAt: '2026-03-01T10:00:00.000Z', commandId },
  actor: { kind: 'user' as const, id: '00000000-0000-4000-8000-000000000010' },
  ...{ $correlationId: commandId, $causationId: commandId },
};

async function writeKeys({ pool }: GoldenKeys, rootKey: string): Promise<void> {
  const { rows } = await pool.query<KeysFile['rows'][number]>(
    `select key_id, tenant_id, purpose, encode(wrapped, 'base64') as wrapped from data_keys order by key_id`,
  );
  writeFileSync(keysFile, asText({ rootKey, rows }));
}

/** Adds lines only: a sample that was changed must not get its sum put right. */
function writeSums(): void {
  const sums = existsSync(sumsFile) ? readSums() : new Map<string, string>();
  for (const { name, sha256 } of readSamples()) sums.set(name, sums.get(name) ?? sha256);
  const lines = [...sums].map(([name, sum]) => `${sum}  ${name}.json`);
  writeFileSync(sumsFile, `${lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join('\n')}\n`);
}

function asText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});
