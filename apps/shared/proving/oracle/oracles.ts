import { contentOracle } from './content-oracle';
import { olapOracle } from './olap-oracle';
import { oltpOracle } from './oltp-oracle';
import type { StreamOracle, TenantOracle } from './oracle';

/** By tier. One without an oracle is proved by the other gates, and its certificate says so. */
export const oracles: ReadonlyMap<string, StreamOracle | TenantOracle> = new Map<
  string,
  StreamOracle | TenantOracle
>([
  ['oltp', oltpOracle],
  ['content', contentOracle],
  ['olap', olapOracle],
]);
