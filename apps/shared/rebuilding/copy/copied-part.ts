import { overlap, type Coverage, type SlotRange } from '../../generations/coverage';

/** A part of a source that a target takes over. */
export interface CopiedPart<Source> {
  readonly source: Source;
  readonly slots: SlotRange;
}

/**
 * What a target of this coverage takes from which source, in slot order. Throws when some of it is in no source, or in two:
 * rows would be missing, or doubled.
 */
export function partsToCopy<Source extends { readonly coverage: Coverage }>(
  target: Coverage,
  sources: readonly Source[],
): CopiedPart<Source>[] {
  const parts = sources
    .filter(({ coverage }) => holdsTenantsOf(coverage, target))
    .flatMap((source) => {
      const slots = overlap(source.coverage.slots, target.slots);
      return slots === null ? [] : [{ source, slots }];
    })
    .sort((one, other) => one.slots.from - other.slots.from);
  let next = target.slots.from;
  for (const { slots } of parts) {
    if (slots.from !== next) break;
    next = slots.to + 1;
  }
  const isWhole = next === target.slots.to + 1 && parts.at(-1)?.slots.to === target.slots.to;
  if (!isWhole) throw new Error(`slot ${next} of what is to be filled is in no source, or in two`);
  return parts;
}

/** Whether the source has the rows of every tenant that the target is to hold. */
function holdsTenantsOf(source: Coverage, target: Coverage): boolean {
  if (source.tenantId !== null) return source.tenantId === target.tenantId;
  if (target.tenantId !== null) return !source.except.includes(target.tenantId);
  return source.except.every((tenantId) => target.except.includes(tenantId));
}

/** A condition on the rows of a table, without parameters: COPY takes none. */
export function rowsOf({ tenantId, except }: Coverage, slots: SlotRange): string {
  const conditions = [`slot between ${slots.from} and ${slots.to}`];
  if (tenantId !== null) conditions.push(`tenant_id = ${uuidLiteral(tenantId)}`);
  else if (except.length > 0) conditions.push(`tenant_id not in (${except.map(uuidLiteral).join(', ')})`);
  return conditions.join(' and ');
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

function uuidLiteral(text: string): string {
  if (!uuid.test(text)) throw new Error(`Not a uuid: ${JSON.stringify(text)}`);
  return `'${text}'::uuid`;
}
