import { currentSchemaVersions, type MailfoldEvent } from '../../../domain/catalogue.events';

type StoredData = Record<string, unknown>;

/**
 * One step per version: `upcasters[type][n]` turns the data of version n into that of version n + 1 (architecture.md §3).
 * Pure, applied once at decode, so that no fold ever sees an old shape.
 */
export const upcasters: {
  readonly [Type in MailfoldEvent['type']]?: Readonly<Record<number, (data: StoredData) => StoredData>>;
} = {};

export type Upcast = { readonly data: StoredData } | { readonly reason: string };

/** Brings stored data to the current version, or says why this build cannot. */
export function upcast(type: string, version: unknown, data: StoredData): Upcast {
  if (!isKnownType(type)) return { reason: `unknown event type ${type}` };
  const current = currentSchemaVersions[type];
  if (!Number.isInteger(version) || (version as number) < 1 || (version as number) > current) {
    return {
      reason: `unknown version ${JSON.stringify(version)} of ${type}; this build knows 1 to ${current}`,
    };
  }
  let upcasted = data;
  for (let from = version as number; from < current; from++) {
    const step = upcasters[type]?.[from];
    if (!step) return { reason: `no upcaster of ${type} from version ${from}` };
    upcasted = step(upcasted);
  }
  return { data: upcasted };
}

function isKnownType(type: string): type is MailfoldEvent['type'] {
  return Object.hasOwn(currentSchemaVersions, type);
}
