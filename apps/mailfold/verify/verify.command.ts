import { writeFile } from 'node:fs/promises';
import type { Pool } from 'pg';
import type { ProjectionTier } from '../../../projections/tier';
import { tierDatabaseUrls } from '../../shared/config/tier-databases';
import {
  generationNamed,
  listGenerations,
  soleLiveGeneration,
  type Generation,
} from '../../shared/generations/generations';
import { coverageOf } from '../../shared/generations/placement';
import type { CertificateFile } from '../../shared/proving/certificate';
import { prove } from '../../shared/proving/prove';
import { commonCoverages } from '../../shared/proving/side';
import { codeVersion } from '../code-version';
import { CommandFailure, exitCodes, type CommandContext } from '../command-run';
import { controlUrl, logAccess, openLog, openPool, tierNamed } from '../connections';
import { certificateRecord, printCertificate } from './certificate-screen';
import { readExpectedDifferences } from './expected-differences';
import { shadowReads } from './shadow-reads';

export interface VerifyOptions {
  /** Two numbers; without it the one that serves and the latest other one. */
  readonly generations?: readonly [number, number];
  /** A JSON file with what is meant to differ (projections/expected-difference.ts). */
  readonly expected?: string;
  /** Where the whole certificate is written, with the digests of every slot. */
  readonly certificate?: string;
}

/** `mailfold verify`: 0 when every gate that was run holds for two generations at one position of the log, else 1. */
export async function verifyCommand(
  tierName: string,
  options: VerifyOptions,
  context: CommandContext,
): Promise<number> {
  const { output, signal } = context;
  const tier = tierNamed(tierName);
  const control = openPool(context, controlUrl());
  const [left, right] = await twoOf(control, tier, options);
  const coverages = commonCoverages(left.targets.map(coverageOf), right.targets.map(coverageOf));
  if (coverages.length === 0)
    throw new CommandFailure(
      `generations ${left.generation} and ${right.generation} of ${tier.tier} have no rows in common`,
    );
  const certificate = await prove({
    ...{ tier, control, coverages, signal, urls: tierDatabaseUrls(), codeVersion: codeVersion() },
    ...{ store: openLog(context), rootKey: logAccess().rootKey },
    ...{ left: { generation: left.generation }, right: { generation: right.generation } },
    expectedDifferences: await readExpectedDifferences(options.expected),
    ...shadowReads(),
  });
  if (options.certificate !== undefined) await write(options.certificate, certificate);
  output.record(certificateRecord(certificate));
  printCertificate(output, certificate);
  return certificate.holds ? exitCodes.done : exitCodes.failed;
}

async function twoOf(
  control: Pool,
  { tier }: ProjectionTier,
  { generations }: VerifyOptions,
): Promise<readonly [Generation, Generation]> {
  if (generations !== undefined) {
    const [left, right] = [
      await generationNamed(control, tier, generations[0]),
      await generationNamed(control, tier, generations[1]),
    ];
    return [left, right];
  }
  const live = await soleLiveGeneration(control, tier);
  const others = (await listGenerations(control, tier)).filter(
    ({ generation, state }) => state === 'tailing' && generation !== live.generation,
  );
  const other = others.at(-1);
  if (other === undefined)
    throw new CommandFailure(
      `${tier} has one generation only, ${live.generation}: nothing to compare it with until a rebuild`,
    );
  return [live, other];
}

async function write(path: string, certificate: CertificateFile): Promise<void> {
  await writeFile(path, `${JSON.stringify(certificate, null, 2)}\n`);
}
