import { currentSchemaVersions, type MailfoldEvent } from '../../../domain/catalogue.events';

type StoredData = Record<string, unknown>;

/**
 * One step per version: `upcasters[type][n]` turns the data of version n into that of version n + 1 (architecture.md §3).
 * Pure, applied once at decode, so that no fold ever sees an old shape.
 */
export const upcasters: {
  readonly [Type in MailfoldEvent['type']]?: Readonly<Record<number, (data: StoredData) => StoredData>>;
} = {};

/** Why this build cannot read an event of that type and version, or `null` when it can. */
export function unreadableReason(type: string, version: unknown): string | null {
  if (!isKnownType(type)) return `unknown event type ${type}`;
  const current = currentSchemaVersions[type];
  if (isVersion(version, current)) return null;
  return `unknown version ${JSON.stringify(version)} of ${type}; this build knows 1 to ${current}`;
}

/** Brings readable data (see {@link unreadableReason}) to the current version, step by step. */
export function upcast(type: string, version: number, data: StoredData): StoredData {
  if (!isKnownType(type)) return data;
  let upcasted = data;
  for (let from = version; from < currentSchemaVersions[type]; from++) {
    const step = upcasters[type]?.[from];
    if (!step) throw new Error(`no upcaster of ${type} from version ${from}`);
    upcasted = step(upcasted);
  }
  return upcasted;
}

function isVersion(version: unknown, current: number): version is number {
  return Number.isInteger(version) && (version as number) >= 1 && (version as number) <= current;
}

function isKnownType(type: string): type is MailfoldEvent['type'] {
  return Object.hasOwn(currentSchemaVersions, type);
}
