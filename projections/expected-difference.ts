/**
 * What a change of a tier's projections is meant to change in its rows, from one build to the next. A proof leaves these
 * values out and holds everything else to be equal; a tier without any is compared strictly. Declared beside the change
 * (`projections/<tier>/expected-differences.ts`), and taken away once no generation of the old build is left.
 */
export interface ExpectedDifference {
  readonly table: string;
  /** Values that may differ, `log_position` among them where other events now change the row. `rows`: whole rows may. */
  readonly columns: readonly string[] | 'rows';
  /** In one sentence, for the certificate. */
  readonly reason: string;
  /** Only in these rows; without it in all. What is named must all hold. */
  readonly where?: {
    readonly tenantIds?: readonly string[];
    readonly slots?: { readonly from: number; readonly to: number };
    /** Values of the table's primary key after the tenant, in its order, as text. */
    readonly keys?: readonly (readonly string[])[];
  };
}
