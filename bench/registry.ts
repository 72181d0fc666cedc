import type { Row } from './harness/row';
import { appendBatchRow, appendNodeRow, appendRow } from './rows/append';
import { appendByUrlRow } from './rows/append-by-url';
import { appendPeerRow } from './rows/append-peer';
import { growthRow } from './rows/growth';
import { readerRow } from './rows/reader';
import { rebuildNaiveRow, rebuildRow, rebuildSourceRow } from './rows/rebuild';
import { rebuildEtaRow } from './rows/rebuild-eta';
import { rebuildLiveRow } from './rows/rebuild-live';
import { rebuildLinearRow, rebuildMemoryRow, rebuildTenantRow } from './rows/rebuild-scale';

export const rows: readonly Row[] = [
  appendRow,
  appendBatchRow,
  appendNodeRow,
  appendPeerRow,
  readerRow,
  growthRow,
  rebuildRow,
  rebuildNaiveRow,
  rebuildSourceRow,
  rebuildLinearRow,
  rebuildMemoryRow,
  rebuildTenantRow,
  rebuildLiveRow,
  rebuildEtaRow,
];

/** Rows that `--url` sets over a running server instead. */
export const rowsByUrl: readonly Row[] = [appendByUrlRow];
