import { z } from 'zod';
import { loadConfig } from '../../shared/config/load-config';
import type { ShadowReadsOptions } from '../../shared/proving/shadow-reads';

const variables = z.object({
  QUERY_API_URL: z.url().optional(),
  MAILFOLD_ADMIN_KEY: z.string().optional(),
});

/** The query API to read both sides through, where QUERY_API_URL and MAILFOLD_ADMIN_KEY name one. */
export function shadowReads(): { readonly shadowReads?: ShadowReadsOptions } {
  const { QUERY_API_URL: queryApiUrl, MAILFOLD_ADMIN_KEY: adminKey } = loadConfig(variables);
  if (queryApiUrl === undefined || adminKey === undefined) return {};
  return { shadowReads: { queryApiUrl, adminKey } };
}
