import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Pool } from 'pg';
import { z } from 'zod';
import type { ReadEvent } from '../../apps/shared/event-store/event-codec';
import { mailfoldSchemas } from '../../apps/shared/event-store/upcasters';
import { createKeyRing, type KeyRing } from '../../apps/shared/keys/key-ring';
import { migrate } from '../../apps/shared/postgres/migrate';
import { createPool } from '../../apps/shared/postgres/pool';
import { startTestPostgres } from '../support/postgres';

/** A file of this folder: one event as the log holds it, and the shape of its type and version. Never changed again. */
export interface Sample {
  /** `MessageReceived.v1` */
  readonly name: string;
  /** Of the file. */
  readonly sha256: string;
  readonly event: ReadEvent;
  /** JSON Schema of the data, unsealed. */
  readonly shape: unknown;
}

/** What a sample file holds. Positions as text, bytes in base64. */
export interface SampleFile {
  readonly event: Omit<ReadEvent, 'position' | 'data'> & {
    readonly position: string;
    readonly data: string | Record<string, unknown>;
  };
  readonly shape: unknown;
}

/** The root key and rows of `data_keys` under which the samples are sealed. */
export interface KeysFile {
  readonly rootKey: string;
  readonly rows: readonly {
    readonly key_id: string;
    readonly tenant_id: string;
    readonly purpose: string;
    readonly wrapped: string;
  }[];
}

export const goldenFolder = resolve('test/golden');
export const keysFile = join(goldenFolder, 'keys.json');
export const sumsFile = join(goldenFolder, 'SHA256SUMS');

/** In the order of the log. */
export function readSamples(): Sample[] {
  return readdirSync(goldenFolder)
    .filter((name) => /^[A-Za-z]+\.v\d+\.json$/.test(name))
    .map((name) => {
      const text = readFileSync(join(goldenFolder, name), 'utf8');
      const { event, shape } = JSON.parse(text) as SampleFile;
      const data = typeof event.data === 'string' ? Buffer.from(event.data, 'base64') : event.data;
      return {
        ...{ name: name.replace(/\.json$/, ''), sha256: sha256(text), shape },
        event: { ...event, data, position: BigInt(event.position) },
      };
    })
    .sort((a, b) => (a.event.position < b.event.position ? -1 : 1));
}

/** By name, as `SHA256SUMS` lists them in the format of sha256sum(1). */
export function readSums(): Map<string, string> {
  const lines = readFileSync(sumsFile, 'utf8').trim().split('\n');
  return new Map(lines.map((line) => [line.slice(66).replace(/\.json$/, ''), line.slice(0, 64)]));
}

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Every `Type.v<n>` that this build can read. */
export function knownNames(): string[] {
  return Object.entries(mailfoldSchemas.shapes)
    .flatMap(([type, versions]) => Object.keys(versions ?? {}).map((version) => `${type}.v${version}`))
    .sort();
}

/** The shape as this build has it, in a form that can be written down. */
export function shapeNamed(name: string): unknown {
  const [, type = '', version = ''] = /^(.+)\.v(\d+)$/.exec(name) ?? [];
  const shape = mailfoldSchemas.shapes[type]?.[Number(version)];
  if (shape === undefined) return null;
  const schema = JSON.stringify(z.toJSONSchema(shape, { unrepresentable: 'any' }));
  return JSON.parse(schema, (key, value: unknown) => (libraryDetails.has(key) ? undefined : value));
}

/** What another release of the library may say differently of the same shape. */
const libraryDetails = new Set(['$schema', 'pattern', 'maximum']);

export interface GoldenKeys {
  readonly keys: KeyRing;
  readonly pool: Pool;
  stop(): Promise<void>;
}

/** A real key store that holds the keys of the samples. */
export async function openGoldenKeys({ rootKey, rows }: KeysFile): Promise<GoldenKeys> {
  const postgres = await startTestPostgres();
  const url = await postgres.createDatabase();
  await migrate(url, 'keys');
  const pool = createPool(url, {
    ...{ applicationName: 'golden', maxConnections: 2, connectionTimeoutMs: 5_000 },
    ...{ statementTimeoutMs: 5_000, queryTimeoutMs: 6_000 },
  });
  for (const { key_id, tenant_id, purpose, wrapped } of rows)
    await pool.query(
      `insert into data_keys (key_id, tenant_id, purpose, wrapped) values ($1, $2, $3, decode($4, 'base64'))`,
      [key_id, tenant_id, purpose, wrapped],
    );
  return {
    keys: createKeyRing({ pool, rootKey: Buffer.from(rootKey, 'base64') }),
    pool,
    stop: async () => {
      await pool.end();
      await postgres.stop();
    },
  };
}
