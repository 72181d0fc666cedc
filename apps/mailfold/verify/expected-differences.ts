import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ExpectedDifference } from '../../../projections/expected-difference';
import { CommandFailure, exitCodes } from '../command-run';

const expectedDifferences = z.array(
  z.strictObject({
    table: z.string(),
    columns: z.union([z.literal('rows'), z.array(z.string())]),
    reason: z.string().min(1),
    where: z
      .strictObject({
        tenantIds: z.array(z.uuid()).optional(),
        slots: z.strictObject({ from: z.int(), to: z.int() }).optional(),
        keys: z.array(z.array(z.string())).optional(),
      })
      .optional(),
  }),
);

/** From plain data. Throws ZodError. */
export function parseExpectedDifferences(data: unknown): readonly ExpectedDifference[] {
  // Optional fields are left out there, never undefined.
  return expectedDifferences.parse(data) as ExpectedDifference[];
}

/** What a JSON file says is meant to differ; none without a file. Throws a usage error for one that says something else. */
export async function readExpectedDifferences(
  path: string | undefined,
): Promise<readonly ExpectedDifference[]> {
  if (path === undefined) return [];
  try {
    return parseExpectedDifferences(JSON.parse(await readFile(path, 'utf8')));
  } catch (error) {
    const reason = error instanceof z.ZodError ? z.prettifyError(error) : String(error);
    throw new CommandFailure(`${path} does not say what is expected: ${reason}`, exitCodes.usage);
  }
}
