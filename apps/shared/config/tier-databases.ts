import { ConfigError } from './load-config';

const variable = /^(OLTP|CONTENT|OLAP|QUEUE)_DATABASE_URL(_[A-Z0-9_]+)?$/;
const postgresUrl = /^postgres(ql)?:\/\//;

/**
 * The databases that tiers may lie in, by the name of their variable: `OLTP_DATABASE_URL` is where the tier begins, and
 * `OLTP_DATABASE_URL_<NAME>` are further ones for its shards and for tenants of their own. The control database names
 * them by their variables, so that no secret is stored there. Throws {@link ConfigError} for what is no PostgreSQL URL.
 */
export function tierDatabaseUrls(environment: NodeJS.ProcessEnv = process.env): ReadonlyMap<string, string> {
  const urls = new Map<string, string>();
  for (const [name, url] of Object.entries(environment)) {
    if (!variable.test(name) || url === undefined || url === '') continue;
    if (!postgresUrl.test(url)) throw new ConfigError(`Configuration: ${name} must be a postgresql:// URL`);
    urls.set(name, url);
  }
  return urls;
}
