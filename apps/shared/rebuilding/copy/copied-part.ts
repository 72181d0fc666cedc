import { coversTenant, intersection, overlap, type Coverage } from '../../generations/coverage';

/** Rows that a target takes over from a source. */
export interface CopiedPart<Source> {
  readonly source: Source;
  readonly coverage: Coverage;
}

/**
 * What a target of this coverage takes from which source. Tenants that have a source of their own come from there, and from
 * no other. Throws when some of it is in no source, or in two: rows would be missing, or doubled.
 */
export function partsToCopy<Source extends { readonly coverage: Coverage }>(
  target: Coverage,
  sources: readonly Source[],
): CopiedPart<Source>[] {
  const coverages = sources.map(({ coverage }) => coverage);
  if (target.tenantId === null) refuseGaps(target, 'all tenants', sharedAmong(coverages));
  for (const tenantId of namedTenants(target, coverages))
    refuseGaps(
      target,
      `tenant ${tenantId}`,
      coverages.filter((coverage) => coversTenant(coverage, tenantId)),
    );
  return sources.flatMap((source) => {
    const coverage = intersection(source.coverage, target);
    return coverage === null ? [] : [{ source, coverage }];
  });
}

/** Those that somebody else than the shared sources may have. */
function namedTenants(target: Coverage, sources: readonly Coverage[]): string[] {
  if (target.tenantId !== null) return [target.tenantId];
  const named = sources.flatMap(({ tenantId, except }) => (tenantId === null ? except : [tenantId]));
  return [...new Set(named)].filter((tenantId) => coversTenant(target, tenantId));
}

function sharedAmong(coverages: readonly Coverage[]): Coverage[] {
  return coverages.filter(({ tenantId }) => tenantId === null);
}

function refuseGaps({ slots: wanted }: Coverage, whose: string, sources: readonly Coverage[]): void {
  const refuse = (slot: number): never => {
    throw new Error(`slot ${slot} of ${whose} is in no source, or in two`);
  };
  const found = sources.map(({ slots }) => overlap(slots, wanted)).filter((slots) => slots !== null);
  let next = wanted.from;
  for (const { from, to } of found.sort((one, other) => one.from - other.from)) {
    if (from !== next) refuse(Math.min(from, next));
    next = to + 1;
  }
  if (next !== wanted.to + 1) refuse(next);
}

/** A condition on the rows of a table, without parameters: COPY takes none. */
export function rowsOf({ slots, tenantId, except }: Coverage): string {
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
