import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExpectedDifference } from '../../../../projections/expected-difference';
import { projectionTier, tablesOf } from '../../../../projections/tiers';
import { allSlots, type Coverage } from '../../../shared/generations/coverage';
import type { Generation } from '../../../shared/generations/generations';
import { coverageOf } from '../../../shared/generations/placement';
import {
  CertificateRefused,
  verifyCertificate,
  type Certificate,
  type CertificateFile,
} from '../../../shared/proving/certificate';
import { prove } from '../../../shared/proving/prove';
import { plural } from '../../output';
import type { Tier } from '../../../../projections/projection';
import type { Side } from '../../../shared/proving/side';
import { returnedTenant } from '../run-spec';
import { refuseIllegal, RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { newlyParkedOf } from './newly-parked';
import { shadowReads } from '../../verify/shadow-reads';
import { generationsOf } from './run-generations';
import { returnOf } from './returned-tenant';

export interface VerifyOptions {
  readonly signal: AbortSignal;
  /** What is meant to differ, besides what the projections declare. */
  readonly expectedDifferences?: readonly ExpectedDifference[];
  readonly onProgress?: (progress: { phase: string; done: number; total: number }) => void;
}

/**
 * Proves tier by tier that a run has made what serves, and keeps the certificates with the run; with the digests of every
 * slot they are written to `certificate.json` in its folder. A gate that does not hold leaves the run `refuted`.
 */
export async function verifyRun(
  workplace: Workplace,
  runs: Runs,
  run: Run,
  options: VerifyOptions,
): Promise<{ run: Run; file: string }> {
  refuseIllegal('verify', run.run, run.state);
  refuseForeign(run, options);
  const files: Record<string, CertificateFile> = {};
  const faults: string[] = [];
  for (const claim of await claimsOf(workplace, run)) {
    const file = await proved(workplace, run, claim, options);
    files[claim.tier] = file;
    faults.push(...gateFaults(file), ...(await parkedFaults(workplace, claim)));
  }
  const certificates = Object.fromEntries(
    Object.entries(files).map(([tier, { slots: _slots, ...certificate }]) => [tier, certificate]),
  );
  const verified =
    faults.length === 0
      ? await runs.step(run.run, 'verify', 'verified', { certificates })
      : await runs.step(run.run, 'verify', 'refuted', { certificates, failure: faults.join('; ') });
  return { run: verified, file: await written(workplace, run, files) };
}

/** A table of no tier of the run: a name that is mistyped would otherwise be expected in vain. */
function refuseForeign({ run, spec }: Run, { expectedDifferences = [] }: VerifyOptions): void {
  const tables = spec.tiers.flatMap((tier) => tablesNamed(tier));
  const foreign = expectedDifferences.find(({ table }) => !tables.includes(table));
  if (foreign !== undefined)
    throw new RunRefused(`run ${run} has no table ${foreign.table} that could be expected to differ`, run);
}

function tablesNamed(name: Tier): string[] {
  const tier = projectionTier(name);
  return tier === undefined ? [] : tablesOf(tier).map((table) => table.name);
}

/** What is to be proved of one tier. */
interface Claim {
  readonly tier: Tier;
  /** What holds the rows that serve, and as yet serves none of them. */
  readonly right: Side;
  readonly coverages: readonly Coverage[];
  /** The generation that the run has made for it; null: it has made none. */
  readonly made: Generation | null;
}

async function claimsOf(workplace: Workplace, run: Run): Promise<Claim[]> {
  const tenantId = returnedTenant(run.spec);
  if (tenantId !== null) {
    // What serves by its slots already would be held against itself.
    const { tier } = await returnOf(workplace, run);
    const coverages = [{ slots: allSlots, tenantId, except: [] }];
    return [{ tier: tier.tier, right: 'by-slots', coverages, made: null }];
  }
  return (await generationsOf(workplace, run)).map((made) => {
    const { tier, generation, targets } = made;
    return { tier, right: { generation }, coverages: targets.map(coverageOf), made };
  });
}

async function written(
  workplace: Workplace,
  { run }: Run,
  files: Readonly<Record<string, CertificateFile>>,
): Promise<string> {
  const folder = workplace.runFolder(run);
  const path = join(folder, 'certificate.json');
  await mkdir(folder, { recursive: true });
  await writeFile(path, `${JSON.stringify(files, null, 2)}\n`);
  return path;
}

async function proved(
  workplace: Workplace,
  { run }: Run,
  { tier: name, right, coverages }: Claim,
  { signal, expectedDifferences = [], onProgress = () => undefined }: VerifyOptions,
): Promise<CertificateFile> {
  const tier = projectionTier(name);
  if (tier === undefined) throw new Error(`${name} is no tier`);
  const { control, urls, codeVersion } = workplace;
  return prove({
    ...{ tier, control, urls, codeVersion, run, signal, ...shadowReads() },
    store: workplace.store(),
    rootKey: workplace.log().rootKey,
    ...{ left: 'serving', right, coverages },
    expectedDifferences: expectedDifferences.filter(({ table }) => tablesNamed(name).includes(table)),
    onProgress: ({ phase, done, total }) => onProgress({ phase: `${name}: ${phase}`, done, total }),
  });
}

function gateFaults({ tier, gates }: Certificate): string[] {
  const failed = gates.filter(({ holds }) => holds === false).map(({ gate }) => gate);
  return failed.length === 0 ? [] : [`the certificate of ${tier} does not hold (${failed.join(', ')})`];
}

/** Also what was parked while the proof was made. */
async function parkedFaults(workplace: Workplace, { tier, made }: Claim): Promise<string[]> {
  const parked = made === null ? [] : await newlyParkedOf(workplace, made);
  if (made === null || parked.length === 0) return [];
  return [
    `generation ${made.generation} of ${tier} has parked ${plural(parked.length, 'event')} that what serves has applied`,
  ];
}

/** Throws {@link RunRefused} unless every generation of the run has a certificate that is genuine, recent, and holds. */
export function refuseUnproven(
  workplace: Workplace,
  run: Run,
  generations: readonly { readonly tier: Tier; readonly generation: number }[],
  { withoutShadowReads = false }: { readonly withoutShadowReads?: boolean },
): void {
  for (const { tier, generation } of generations)
    try {
      verifyCertificate(run.certificates[tier], {
        ...{ tier, generations: [generation], codeVersion: workplace.codeVersion, withoutShadowReads },
        rootKey: workplace.log().rootKey,
        now: new Date(),
      });
    } catch (error) {
      if (!(error instanceof CertificateRefused)) throw error;
      throw new RunRefused(`run ${run.run} may not serve ${tier}: ${error.message}`, run.run, ['verify']);
    }
}
