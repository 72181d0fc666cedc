import { z } from 'zod';
import { figure } from './demo-step';

/** What a demo shows of a certificate (apps/shared/proving/certificate.ts). */
export const shownCertificate = z.object({
  tier: z.string(),
  position: z.string(),
  heldMs: z.number(),
  holds: z.boolean(),
  signature: z.string(),
  left: z.object({ generations: z.array(z.number()) }),
  right: z.object({ generations: z.array(z.number()) }),
  ledger: z.object({ events: z.number() }),
  gates: z.array(
    z.object({
      gate: z.string(),
      holds: z.boolean().nullable(),
      measured: z.record(z.string(), z.unknown()),
      detail: z.array(z.string()),
    }),
  ),
});
export type ShownCertificate = z.infer<typeof shownCertificate>;

type Measured = Readonly<Record<string, unknown>>;

/** What each gate has found, in words; those of a gate that does not hold or was not run are its own. */
const findings: Readonly<Record<string, (measured: Measured) => string>> = {
  completeness: ({ wanted }) =>
    `${shown((wanted as Measured | undefined)?.['events'])} events taken in, each once, as the log has them`,
  rows: ({ tables, rows }) =>
    `${shown((rows as readonly unknown[])[1])} rows of ${shown(tables)} tables, equal in every slot`,
  oracle: ({ streams, rows }) =>
    `${shown(rows)} rows of ${shown(streams)} streams, as independent code folds them`,
  'shadow-reads': ({ requests, unsettled }) =>
    `${figure(Number(requests) - Number(unsettled))} queries, the same answer from both sides`,
  invariants: ({ rowInvariants }) =>
    `${shown(rowInvariants)} rules about counts and references, no row breaks one`,
};

/** A certificate as lines, a gate a line. */
export function certificateLines({
  tier,
  left,
  right,
  position,
  ledger,
  ...rest
}: ShownCertificate): string[] {
  const { gates, holds, signature } = rest;
  return [
    `Certificate of ${tier}: generation ${right.generations.join(', ')} against ${left.generations.join(', ')}, ` +
      `at position ${figure(Number(position))} of the log (${figure(ledger.events)} events): ${holds ? 'HOLDS' : 'DOES NOT HOLD'}`,
    ...gates.map(({ gate, holds: gateHolds, measured, detail }) => {
      const outcome = gateHolds === null ? 'not run' : gateHolds ? 'holds' : 'FAILS';
      const found = gateHolds === true ? findings[gate]?.(measured) : detail[0];
      return `  ${outcome.padEnd(7)}  ${gate.padEnd(20)}  ${found ?? ''}`.trimEnd();
    }),
    `  signed   ${signature.slice(0, 16)}…`,
  ];
}

function shown(value: unknown): string {
  return typeof value === 'number' ? figure(value) : String(value);
}
