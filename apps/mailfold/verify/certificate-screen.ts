import type { Certificate, CertificateFile } from '../../shared/proving/certificate';
import { table, type Output } from '../output';

/** What a proof says to a program; `equal` first of all. */
export function certificateRecord({ slots: _slots, ...certificate }: CertificateFile): object {
  const { tier, holds, position, left, right, tables } = certificate;
  return {
    ...{ tier, equal: holds, position, generations: [...left.generations, ...right.generations] },
    tables: tables.map((each) => ({
      ...{ table: each.table, equal: each.isEqual, rows: each.rows, digests: each.digests },
      differingKeys: each.differing.listed.map(({ key }) => key),
    })),
    certificate,
  };
}

export function printCertificate(
  output: Output,
  { tier, left, right, position, heldMs, tables, gates, holds }: Certificate,
): void {
  const [before, after] = [left, right].map(({ generations }) => generations.join(', '));
  output.line(`${tier}: generation ${after} against ${before} at position ${position}`);
  output.line(`Lanes were held for ${heldMs} ms.`);
  const rows = tables.map((each) => [
    `  ${each.isEqual ? 'equal' : 'DIFFERENT'}`,
    ...[each.table, each.rows[0], each.rows[1], each.digests[0].slice(0, 16), each.digests[1].slice(0, 16)],
  ]);
  const head = ['', 'table', `rows g${before}`, `rows g${after}`, 'digest', ''];
  for (const line of table([head, ...rows])) output.line(line);
  for (const { gate, holds: gateHolds, detail } of gates) {
    const outcome = gateHolds === null ? 'not run' : gateHolds ? 'holds' : 'FAILS';
    output.line(`  ${outcome.padEnd(8)} ${gate}`);
    for (const line of detail) output.line(`           ${line}`);
  }
  output.line(holds ? 'Equal.' : 'They differ.');
}
