import { readFileSync } from 'node:fs';
import { parseConnectionString } from '@eventstore/db-client/dist/Client/parseConnectionString';

export interface NodeAddress {
  readonly address: string;
  readonly port: number;
}

export type NodePreference = 'leader' | 'follower' | 'read_only_replica' | 'random';

/** What an `esdb://` URL says, for connections that are not the official client's own. */
export interface ConnectionSettings {
  /** More than one, or one with {@link isDiscovered}: hosts to ask for the members of a cluster. */
  readonly hosts: readonly NodeAddress[];
  readonly isDiscovered: boolean;
  readonly nodePreference: NodePreference;
  readonly gossipTimeoutMs: number;
  /** `null` is no encryption. */
  readonly tls: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | null;
  /** Value of the header, where the URL has credentials and the connection is one they may travel on. */
  readonly authorization: string | null;
  readonly connectionName: string | null;
}

/** What held through elections and lost majorities of a real cluster (event-store.md §4.2); units are the client's. */
const clusterDefaults = {
  nodePreference: 'leader',
  maxDiscoverAttempts: '1000',
  discoveryInterval: '200',
  gossipTimeout: '1',
};

/**
 * The URL for the official client: as given, but for the defaults that a cluster needs and the newer name of the scheme.
 * Throws for `throwOnAppendFailure=false`, with which the client invents revisions (event-store.md §2.3).
 */
export function clientUrl(url: string): string {
  const esdbUrl = url.replace(/^kurrentdb(?=(\+discover)?:)/, 'esdb');
  const parsed = parseConnectionString(esdbUrl);
  if (parsed.throwOnAppendFailure === false)
    throw new Error('the event store URL says throwOnAppendFailure=false, which is not supported');
  if (!isCluster(parsed)) return esdbUrl;
  const missing = Object.entries(clusterDefaults).filter(([name]) => !(name in parsed));
  if (missing.length === 0) return esdbUrl;
  const base = esdbUrl.replace(/\/+$/, '');
  return `${base}${base.includes('?') ? '&' : '?'}${missing.map(([name, value]) => `${name}=${value}`).join('&')}`;
}

/** Reads the files that the URL names. Throws with their path when it cannot. */
export function connectionSettings(url: string): ConnectionSettings {
  const parsed = parseConnectionString(clientUrl(url));
  const { defaultCredentials: credentials, tlsCAFile, userCertFile, userKeyFile } = parsed;
  const isSecure = parsed.tls !== false;
  return {
    hosts: parsed.dnsDiscover ? parsed.hosts.slice(0, 1) : parsed.hosts,
    isDiscovered: isCluster(parsed),
    nodePreference: parsed.nodePreference ?? 'leader',
    gossipTimeoutMs: (parsed.gossipTimeout ?? 5) * 1_000,
    tls: isSecure
      ? {
          ...(tlsCAFile === undefined ? {} : { ca: readFileSync(tlsCAFile) }),
          ...(userCertFile === undefined ? {} : { cert: readFileSync(userCertFile) }),
          ...(userKeyFile === undefined ? {} : { key: readFileSync(userKeyFile) }),
        }
      : null,
    authorization:
      isSecure && credentials
        ? `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
        : null,
    connectionName: parsed.connectionName ?? null,
  };
}

function isCluster({ hosts, dnsDiscover }: { hosts: readonly unknown[]; dnsDiscover: boolean }): boolean {
  return dnsDiscover || hosts.length > 1;
}
