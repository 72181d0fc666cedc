import type { MailfoldEvent } from '../../../../domain/catalogue.events';
import type { Recorded } from '../../../../domain/event';

/*
 * A second opinion on rows, from the raw events. It shares nothing with the projections and the row writer: each oracle is
 * written anew from what the events mean (domain/*.events.ts) and what the columns say of themselves (migrations/), so that
 * a slip in a fold is not made twice.
 */

/** As a column shows it: times ISO-8601 in UTC with milliseconds, days YYYY-MM-DD. */
export type OracleValue = string | number | boolean | null | Uint8Array | readonly unknown[];

/** A row as it must be, or that it must not be there. */
export interface OracleRow {
  readonly table: string;
  readonly tenantId: string;
  /** The entity whose slot the row lies in. */
  readonly slotEntityId: string;
  /** The rest of the primary key. */
  readonly key: Readonly<Record<string, string | number>>;
  /** Columns that the oracle knows, `log_position` among them where it can. */
  readonly values: Readonly<Record<string, OracleValue>> | null;
}

export interface OracleStream {
  readonly category: string;
  readonly tenantId: string;
  readonly entityId: string;
}

/** The log up to the position of the proof. */
export interface OracleLog {
  /** In order, without what the tier has parked and whatever comes after it in its stream. Empty for a missing stream. */
  read(stream: OracleStream): Promise<readonly Recorded<MailfoldEvent>[]>;
  /** Values of one column of a row, on either side: a hint where to look, never taken for true. */
  hints(table: string, column: string, tenantId: string, id: string): Promise<readonly string[]>;
}

/** For rows that follow from single streams. */
export interface StreamOracle {
  readonly kind: 'streams';
  readonly categories: readonly string[];
  /**
   * Streams worth a look, beside random ones. Selects `category`, `tenant_id` and `entity_id`; tables as in
   * projections/invariant.ts; `$1` is a seed, `$2` how many are wanted at most.
   */
  readonly worthALook: readonly { readonly why: string; readonly sql: string }[];
  rowsOf(stream: OracleStream, log: OracleLog): Promise<OracleRow[]>;
}

/** For rows that gather many streams of a tenant. */
export interface TenantOracle {
  readonly kind: 'tenants';
  readonly categories: readonly string[];
  /** Types of events that count. */
  readonly types: readonly string[];
  /** The rows given are all there are of a tenant in it. */
  readonly table: string;
  rowsOf(tenantId: string, events: AsyncIterable<Recorded<MailfoldEvent>>): Promise<OracleRow[]>;
}

export function isoTime(time: string): string {
  return new Date(Date.parse(time)).toISOString();
}

/** The first `length` characters, as PostgreSQL counts them. */
export function firstCharacters(text: string, length: number): string {
  let shown = '';
  let count = 0;
  for (const character of text) {
    if (count++ === length) break;
    shown += character;
  }
  return shown;
}
