import type { z } from 'zod';
import { currentSchemaVersions, sealedFields } from '../../../domain/catalogue.events';
import { currentShapes, pastShapes, shapeFaults } from './event-shapes';

export type StoredData = Readonly<Record<string, unknown>>;

/** A pure function from the data of one schema version to that of the next. It must take erased values as well. */
export type Upcaster = (data: StoredData) => StoredData;

/** Data of a type and one of its schema versions, unsealed. */
export interface VersionedData {
  readonly type: string;
  readonly version: number;
  readonly data: StoredData;
}

/** What became of a type that no build writes any more: the data of its last version turned into another type's. */
export interface Successor {
  readonly lastVersion: number;
  readonly type: string;
  readonly version: number;
  readonly convert: Upcaster;
}

type PerType<T> = Readonly<Record<string, T | undefined>>;
type PerVersion<T> = Readonly<Record<number, T | undefined>>;

/** Everything there is to know about versions of stored events; pure data and functions. */
export interface EventSchemas {
  /** The version that is written today, per type. */
  readonly currentVersions: PerType<number>;
  /** Of every version ever stored. */
  readonly shapes: PerType<PerVersion<z.ZodType>>;
  /** `upcasters[type][n]` turns version n into n + 1. */
  readonly upcasters: PerType<PerVersion<Upcaster>>;
  readonly successors: PerType<Successor>;
  /** What personal fields show once their key is destroyed, in the version they were stored in. */
  readonly erasedFields: PerType<PerVersion<StoredData>>;
}

/** Of the events of this build. A new version adds its lines to the last three (README, "To add an event version"). */
export const mailfoldSchemas: EventSchemas = {
  currentVersions: currentSchemaVersions,
  shapes: withPast(currentShapes, pastShapes),
  erasedFields: withPast(sealedFields, {}),
  upcasters: {},
  successors: {},
};

/** Why this build cannot read an event of that type and version, or `null` when it can. */
export function unreadableReason(
  type: string,
  version: unknown,
  schemas: EventSchemas = mailfoldSchemas,
): string | null {
  const last = own(schemas.currentVersions, type) ?? own(schemas.successors, type)?.lastVersion;
  if (last === undefined) return `unknown event type ${type}`;
  if (Number.isInteger(version) && (version as number) >= 1 && (version as number) <= last) return null;
  return `unknown version ${JSON.stringify(version)} of ${type}; this build knows 1 to ${last}`;
}

/** The data does not look as its type and version say; whatever folds made of it would be wrong. */
export class ShapeMismatch extends Error {
  override readonly name = 'ShapeMismatch';
}

/**
 * Brings readable data (see {@link unreadableReason}) to the current version of its type, or of the type that took its
 * place, step by step. Fields that the version does not have pass. @throws ShapeMismatch
 */
export function upcast(stored: VersionedData, schemas: EventSchemas = mailfoldSchemas): VersionedData {
  demandShape(stored, schemas);
  let { type, version, data } = stored;
  for (;;) {
    const current = own(schemas.currentVersions, type);
    const successor = own(schemas.successors, type);
    if (version === (current ?? successor?.lastVersion)) {
      if (successor === undefined) return { type, version, data };
      data = successor.convert(data);
      ({ type, version } = successor);
    } else {
      const step = own(schemas.upcasters, type)?.[version];
      if (step === undefined) throw new Error(`no upcaster of ${type} from version ${version}`);
      data = step(data);
      version += 1;
    }
  }
}

/** What the personal fields of a readable event show once their key is destroyed. */
export function erasedFields(
  type: string,
  version: number,
  schemas: EventSchemas = mailfoldSchemas,
): StoredData {
  return own(schemas.erasedFields, type)?.[version] ?? {};
}

function demandShape({ type, version, data }: VersionedData, schemas: EventSchemas): void {
  const shape = own(schemas.shapes, type)?.[version];
  if (shape === undefined) throw new Error(`no shape of ${type} version ${version}`);
  const fault = shapeFaults(shape, data).find(({ isExcess }) => !isExcess);
  if (fault === undefined) return;
  const field = fault.path === '' ? 'the data' : fault.path;
  throw new ShapeMismatch(`${field} of ${type} version ${version}: ${fault.message}`);
}

/** A type comes from the log and may be called anything, `constructor` as well. */
function own<T>(table: PerType<T>, type: string): T | undefined {
  return Object.hasOwn(table, type) ? table[type] : undefined;
}

function withPast<T>(
  current: Readonly<Record<string, T>>,
  past: PerType<PerVersion<T>>,
): PerType<PerVersion<T>> {
  const all: Record<string, PerVersion<T> | undefined> = { ...past };
  for (const [type, value] of Object.entries(current)) {
    const version = own<number>(currentSchemaVersions, type);
    if (version !== undefined) all[type] = { ...past[type], [version]: value };
  }
  return all;
}
