import type { Row } from './harness/row';
import { appendBatchRow, appendRow } from './rows/append';
import { appendByUrlRow } from './rows/append-by-url';

export const rows: readonly Row[] = [appendRow, appendBatchRow];

/** Rows that `--url` sets over a running server instead. */
export const rowsByUrl: readonly Row[] = [appendByUrlRow];
