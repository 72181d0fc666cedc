import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { Coverage } from '../generations/coverage';
import { canonicalJson } from './canonical-json';

/** What a proof looks at, in this order. */
export type GateName =
  'completeness' | 'rows' | 'expected-differences' | 'oracle' | 'shadow-reads' | 'invariants';

export interface GateResult {
  readonly gate: GateName;
  /** `null`: not run; the first line of `detail` says why. */
  readonly holds: boolean | null;
  /** Figures, by name. */
  readonly measured: Readonly<Record<string, unknown>>;
  /** One line each for people. Names keys, columns and ids of events, never values. */
  readonly detail: readonly string[];
}

export interface SideRecord {
  /** Generations whose rows were read. */
  readonly generations: readonly number[];
  readonly targets: readonly {
    readonly generation: number;
    readonly shard: number;
    readonly databaseRef: string;
    readonly schema: string;
    readonly coverage: Coverage;
  }[];
}

/** One row that differs between the sides; at most 20 of a table are listed. */
export interface DifferingRow {
  /** Tenant, then the rest of the primary key. */
  readonly key: string;
  readonly slot: number;
  readonly where: 'both' | 'left' | 'right';
  /** Of a row on both sides: the columns whose values differ. */
  readonly columns: readonly string[];
}

export interface TableRecord {
  readonly table: string;
  /** Left, right. */
  readonly rows: readonly [number, number];
  /** Sum over all slots: two 64-bit sums, 32 hex digits. */
  readonly digests: readonly [string, string];
  /** Of the list of all slots with their rows and digests, as in `slots`. */
  readonly slotsSha256: readonly [string, string];
  readonly isEqual: boolean;
  readonly differing: {
    readonly slots: number;
    readonly rows: number;
    /** False: so many rows differ that not all were looked at; there are at least `rows`. */
    readonly isRowCountExact: boolean;
    readonly listed: readonly DifferingRow[];
  };
}

/** The proof that a cut-over demands: what was compared, at which position of the log, and what came of it. */
export interface Certificate {
  readonly format: 1;
  readonly run: number | null;
  readonly tier: string;
  readonly coverages: readonly Coverage[];
  readonly left: SideRecord;
  readonly right: SideRecord;
  /** All lanes of both sides stood at it. */
  readonly position: string;
  readonly provedAt: string;
  /** Of the build that proved it. */
  readonly codeVersion: string;
  /** What the log ledger counts up to the position, and the sha256 of its census. */
  readonly ledger: { readonly events: number; readonly idDigest: string; readonly sha256: string };
  readonly hashedWith: 'hashtextextended' | 'md5';
  /** How long the lanes were held for it, ms. */
  readonly heldMs: number;
  readonly tables: readonly TableRecord[];
  readonly gates: readonly GateResult[];
  /** No gate that was run has failed. */
  readonly holds: boolean;
  /** HMAC-SHA256, hex, over the canonical JSON of all the above, under a key derived from the root key. */
  readonly signature: string;
}

/** Per table and side, a line `slot rows digest` for each slot that has rows: what `slotsSha256` is taken over. */
export type SlotList = Readonly<Record<string, readonly [readonly string[], readonly string[]]>>;

/** As it is written to a file: with the digests of every slot. */
export interface CertificateFile extends Certificate {
  readonly slots: SlotList;
}

/** The certificate is not genuine, or does not prove what a cut-over needs. */
export class CertificateRefused extends Error {
  override readonly name = 'CertificateRefused';

  constructor(readonly faults: readonly string[]) {
    super(`the certificate is refused: ${faults.join('; ')}`);
  }
}

/** @param rootKey 32 bytes. */
export function signed(certificate: Omit<Certificate, 'signature'>, rootKey: Uint8Array): Certificate {
  return { ...certificate, signature: signatureOf(certificate, rootKey) };
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export interface CertificateDemand {
  readonly rootKey: Uint8Array;
  readonly tier: string;
  /** The generations that the cut-over moves to. */
  readonly generations: readonly number[];
  readonly codeVersion: string;
  readonly now: Date;
  /** Default 24 hours. */
  readonly ageMaxMs?: number;
  /** Takes one whose shadow reads were not run. */
  readonly withoutShadowReads?: boolean;
}

/** A tier may have no oracle, and no difference may be declared. */
const gatesDemanded: readonly GateName[] = ['completeness', 'rows', 'shadow-reads', 'invariants'];
const ageMaxDefaultMs = 24 * 3_600_000;

/**
 * Whether a certificate, as it was stored or read from its file, allows a cut-over: genuine, of these generations and this
 * build, not too old, and every gate held. Throws {@link CertificateRefused} with all that speaks against it.
 */
export function verifyCertificate(value: unknown, demand: CertificateDemand): Certificate {
  const { slots, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as CertificateFile;
  const certificate: Certificate = rest;
  // What was not signed here may have any shape: nothing in it is looked at.
  if (!isGenuine(certificate, demand.rootKey))
    throw new CertificateRefused(['it was changed after it was signed, or signed under another root key']);
  const faults = [...faultsOf(certificate, demand), ...slotFaults(certificate, slots)];
  if (faults.length > 0) throw new CertificateRefused(faults);
  return certificate;
}

function faultsOf(certificate: Certificate, demand: CertificateDemand): string[] {
  const faults: string[] = [];
  if (certificate.tier !== demand.tier) faults.push(`it is of tier ${certificate.tier}, not ${demand.tier}`);
  for (const generation of demand.generations)
    if (!certificate.right.generations.includes(generation))
      faults.push(`it does not prove generation ${generation}`);
  if (certificate.codeVersion !== demand.codeVersion)
    faults.push(`it is of build ${certificate.codeVersion}, this is ${demand.codeVersion}`);
  const ageMs = demand.now.getTime() - Date.parse(certificate.provedAt);
  if (ageMs > (demand.ageMaxMs ?? ageMaxDefaultMs))
    faults.push(`it is ${Math.round(ageMs / 60_000)} min old, which is too old`);
  for (const { gate, holds } of certificate.gates)
    if (holds === false) faults.push(`gate ${gate} does not hold`);
  for (const gate of gatesDemanded)
    if (!certificate.gates.some((run) => run.gate === gate && run.holds !== null)) {
      if (gate !== 'shadow-reads' || demand.withoutShadowReads !== true)
        faults.push(`gate ${gate} was not run`);
    }
  return faults;
}

function slotFaults({ tables }: Certificate, slots: SlotList | undefined): string[] {
  if (slots === undefined) return [];
  return tables.flatMap(({ table, slotsSha256 }) =>
    [0, 1].some((side) => slotListSha256(slots[table]?.[side] ?? []) !== slotsSha256[side])
      ? [`the slots of ${table} are not those that were signed`]
      : [],
  );
}

export function slotListSha256(lines: readonly string[]): string {
  return sha256Of(lines.join('\n'));
}

function isGenuine({ signature, ...certificate }: Certificate, rootKey: Uint8Array): boolean {
  if (typeof signature !== 'string') return false;
  const expected = Buffer.from(signatureOf(certificate, rootKey));
  const given = Buffer.from(signature);
  return given.length === expected.length && timingSafeEqual(given, expected);
}

/** Under a key of its own, so that no other use of the root key can yield a signature. */
function signatureOf(certificate: Omit<Certificate, 'signature'>, rootKey: Uint8Array): string {
  const key = hkdfSync('sha256', rootKey, Buffer.alloc(0), 'mailfold certificate', 32);
  return createHmac('sha256', Buffer.from(key)).update(canonicalJson(certificate)).digest('hex');
}
