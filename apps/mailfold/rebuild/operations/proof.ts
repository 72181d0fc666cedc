import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectionTier } from '../../../../projections/tiers';
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
import { refuseIllegal, RunRefused } from '../run-states';
import type { Run, Runs } from '../runs';
import type { Workplace } from '../workplace';
import { newlyParked } from './newly-parked';
import { shadowReads } from '../../verify/shadow-reads';
import { generationsOf } from './run-generations';

export interface VerifyOptions {
  readonly signal: AbortSignal;
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
  const files: Record<string, CertificateFile> = {};
  const faults: string[] = [];
  for (const generation of await generationsOf(workplace, run)) {
    const file = await proved(workplace, run, generation, options);
    files[generation.tier] = file;
    faults.push(...faultsOf(generation, file, await newlyParked(workplace, generation)));
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
  { tier: name, generation, targets }: Generation,
  { signal, onProgress = () => undefined }: VerifyOptions,
): Promise<CertificateFile> {
  const tier = projectionTier(name);
  if (tier === undefined) throw new Error(`${name} is no tier`);
  const { control, urls, codeVersion } = workplace;
  return prove({
    ...{ tier, control, urls, codeVersion, run, signal, ...shadowReads() },
    store: workplace.store(),
    rootKey: workplace.log().rootKey,
    left: 'serving',
    right: { generation },
    coverages: targets.map(coverageOf),
    onProgress: ({ phase, done, total }) => onProgress({ phase: `${name}: ${phase}`, done, total }),
  });
}

function faultsOf(
  { tier, generation }: Generation,
  { gates }: Certificate,
  parked: readonly string[],
): string[] {
  const failed = gates.filter(({ holds }) => holds === false).map(({ gate }) => gate);
  return [
    ...(failed.length === 0 ? [] : [`the certificate of ${tier} does not hold (${failed.join(', ')})`]),
    ...(parked.length === 0
      ? []
      : [
          `generation ${generation} of ${tier} has parked ${plural(parked.length, 'event')} that what serves has applied`,
        ]),
  ];
}

/** Throws {@link RunRefused} unless every generation of the run has a certificate that is genuine, recent, and holds. */
export function refuseUnproven(
  workplace: Workplace,
  run: Run,
  generations: readonly Generation[],
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
