import type { Pool } from 'pg';
import { z } from 'zod';
import { projectionTiers } from '../../../projections/tiers';
import type { ProjectionTier } from '../../../projections/tier';
import { loadConfig } from '../../shared/config/load-config';
import { tierDatabaseUrls } from '../../shared/config/tier-databases';
import type { EventStore } from '../../shared/event-store/event-store';
import { allSlots, type SlotRange } from '../../shared/generations/coverage';
import {
  databaseRefOf,
  listGenerations,
  urlNamed,
  type Generation,
} from '../../shared/generations/generations';
import { readPlacement } from '../../shared/generations/placement';
import { exitCodes, oneLine, type CommandContext } from '../command-run';
import { controlUrl, openLog, openPool } from '../connections';
import { duration, groupedDigits, plural, table, type Output } from '../output';
import { statusOf, type GenerationStatus, type TargetStatus } from './tier-status';

const httpTimeoutMs = 3_000;
const variables = z.object({
  COMMAND_API_URL: z.url().default('http://127.0.0.1:4001'),
  QUERY_API_URL: z.url().default('http://127.0.0.1:4002'),
});

type Part<T> = ({ readonly reachable: true } & T) | { readonly reachable: false; readonly reason: string };

interface SystemStatus {
  readonly log: Part<{ head: string | null }>;
  readonly control: Part<object>;
  readonly tiers: Readonly<Record<string, Part<{ generations: readonly GenerationStatus[] }>>>;
  readonly commandApi: Part<object>;
  readonly queryApi: Part<{ cache: string }>;
}

/** `mailfold status`: 0 when everything can be reached, else 1. A lag or parked events are shown, not judged. */
export async function statusCommand(context: CommandContext): Promise<number> {
  const { COMMAND_API_URL, QUERY_API_URL } = loadConfig(variables);
  const store = openLog(context);
  const control = openPool(context, controlUrl());
  const [log, generations, commandApi, queryApi] = await Promise.all([
    part(async () => ({ head: (await store.head())?.toString() ?? null })),
    part(async () => ({ known: await listGenerations(control) })),
    part(async () => health(COMMAND_API_URL)),
    part(async () => ({ cache: cacheOf(await health(QUERY_API_URL)) })),
  ]);
  const tiers = await Promise.all(
    projectionTiers.map(async (tier) => {
      const known = generations.reachable ? generations.known : [];
      return [
        tier.tier,
        await part(() => tierStatus(context, tier, known, { control, store: log.reachable ? store : null })),
      ] as const;
    }),
  );
  const status: SystemStatus = {
    log,
    control: generations.reachable ? { reachable: true } : generations,
    tiers: Object.fromEntries(tiers),
    commandApi: commandApi.reachable ? { reachable: true } : commandApi,
    queryApi,
  };
  context.output.record(status);
  print(context.output, status);
  const parts = [status.log, status.control, commandApi, queryApi, ...Object.values(status.tiers)];
  const isWhole = parts.every(({ reachable }) => reachable) && targets(status).every(isReachable);
  return isWhole ? exitCodes.done : exitCodes.failed;
}

function targets({ tiers }: SystemStatus): TargetStatus[] {
  return Object.values(tiers).flatMap((tier) =>
    tier.reachable ? tier.generations.flatMap((generation) => generation.targets) : [],
  );
}

function isReachable({ unreachable }: TargetStatus): boolean {
  return unreachable === null;
}

async function tierStatus(
  context: CommandContext,
  tier: ProjectionTier,
  known: readonly Generation[],
  { control, store }: { control: Pool; store: EventStore | null },
): Promise<{ generations: GenerationStatus[] }> {
  const urls = tierDatabaseUrls();
  const pools = new Map<string, Pool>();
  const auditorOf = (databaseRef: string): Pool => {
    const pool = pools.get(databaseRef) ?? openPool(context, urlNamed(urls, databaseRef), 'mailfold_auditor');
    pools.set(databaseRef, pool);
    return pool;
  };
  await auditorOf(databaseRefOf(tier.tier)).query('select 1');
  const placement = await readPlacement(control, tier.tier);
  const generations: GenerationStatus[] = [];
  for (const generation of known)
    if (generation.tier === tier.tier && generation.state !== 'retired')
      generations.push(await statusOf(tier, generation, { placement, auditorOf, store }));
  return { generations };
}

/** One part that is away takes no other with it. */
async function part<T extends object>(look: () => Promise<T>): Promise<Part<T>> {
  try {
    return { reachable: true, ...(await look()) };
  } catch (error) {
    return { reachable: false, reason: oneLine(error) };
  }
}

async function health(url: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${url.replace(/\/+$/, '')}/healthz`, {
    signal: AbortSignal.timeout(httpTimeoutMs),
  });
  if (!response.ok) throw new Error(`${url}/healthz answers ${response.status}`);
  return (await response.json()) as Record<string, unknown>;
}

function cacheOf({ cache }: Record<string, unknown>): string {
  const kind = typeof cache === 'object' && cache !== null && 'kind' in cache ? cache.kind : undefined;
  return typeof kind === 'string' ? kind : 'unknown';
}

function print(output: Output, status: SystemStatus): void {
  const parts: string[][] = [
    ['log', said(status.log, ({ head }) => `head ${head ?? 'none: it is empty'}`)],
    ['control', said(status.control, () => 'reachable')],
    ['command API', said(status.commandApi, () => 'reachable')],
    ['query API', said(status.queryApi, ({ cache }) => `reachable, cache: ${cache}`)],
  ];
  for (const line of table(parts)) output.line(line);
  for (const [tier, its] of Object.entries(status.tiers)) {
    output.line();
    if (!its.reachable) output.line(`${tier}  DOWN: ${its.reason}`);
    else if (its.generations.length === 0) output.line(`${tier}  no generation: run \`mailfold migrate\``);
    else for (const generation of its.generations) printGeneration(output, tier, generation);
  }
}

function said<T extends object>(which: Part<T>, tell: (value: T) => string): string {
  return which.reachable ? tell(which) : `DOWN: ${which.reason}`;
}

function printGeneration(output: Output, tier: string, status: GenerationStatus): void {
  const { generation, lanes, lanesHeld, position, events, parkedEvents, rows } = status;
  output.line(
    `${tier} g${generation}  ${roleOf(status)}  position ${position ?? 'none'}  ${groupedDigits(events)} events  ` +
      `${lagText(status)}  ${lanesHeld} of ${lanes} lanes held` +
      (parkedEvents > 0 ? `  PARKED: ${groupedDigits(parkedEvents)} events` : ''),
  );
  if (status.targets.length > 1 || !status.targets.every(isReachable))
    for (const line of table(status.targets.map(targetCells))) output.line(line);
  for (const line of table(Object.entries(rows).map(([name, count]) => [`  ${name}`, count])))
    output.line(line);
}

/** `live` serves all; a part is named, such as `live for slots 0-7 and 1 tenant`. */
function roleOf({ state, serves }: GenerationStatus): string {
  const { slots, tenants } = serves;
  const isWhole = slots.length === 1 && slots[0]?.from === allSlots.from && slots[0].to === allSlots.to;
  const parts = [
    ...(slots.length === 0 || isWhole ? [] : [`slots ${slots.map(rangeText).join(', ')}`]),
    ...(tenants.length === 0 ? [] : [plural(tenants.length, 'tenant')]),
  ];
  if (isWhole) return ['live', ...parts].join(' and ');
  return parts.length > 0 ? `live for ${parts.join(' and ')}` : state;
}

function rangeText({ from, to }: SlotRange): string {
  return from === to ? String(from) : `${from}-${to}`;
}

function targetCells(target: TargetStatus): (string | number)[] {
  const { databaseRef, schema, slots, tenantId, lanes, lanesHeld, position, unreachable } = target;
  const holds = `slots ${rangeText(slots)}${tenantId === null ? '' : ` of tenant ${tenantId}`}`;
  const stands =
    unreachable === null
      ? `position ${position ?? 'none'}, ${lanesHeld} of ${lanes} lanes held`
      : `DOWN: ${unreachable}`;
  return [`  ${databaseRef}.${schema}`, holds, stands];
}

function lagText({ lagEvents, isLagCountedInPart, lagSeconds }: GenerationStatus): string {
  if (lagEvents === null) return 'lag unknown';
  const waiting = lagEvents > 0 && lagSeconds !== null ? `, ${duration(lagSeconds)}` : '';
  return `lag ${isLagCountedInPart ? 'at least ' : ''}${groupedDigits(lagEvents)} events${waiting}`;
}
