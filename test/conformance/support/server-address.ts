/** What a connection string of the client says about where and as whom to connect. */
export interface ServerAddress {
  readonly url: string;
  /** The first of the hosts, with its port. */
  readonly host: string;
  readonly isSecure: boolean;
  readonly caFile: string | undefined;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** Value of the header, or null where the URL names no user. */
  readonly authorization: string | null;
}

const defaultPort = 2113;

/** Throws if `url` is not of the form `esdb[+discover]://[user:password@]host[:port][,…][?options]`. */
export function parseServerAddress(url: string): ServerAddress {
  const parts = /^(?:esdb|kurrentdb)(?:\+discover)?:\/\/(?:([^:@/]+):([^@/]+)@)?([^/?]+)\/?(?:\?(.*))?$/.exec(
    url,
  );
  if (parts === null)
    throw new Error('An event store URL looks like esdb://[user:password@]host:port[?tls=false]');
  const [, encodedUser, encodedPassword, hosts = '', query = ''] = parts;
  const options = new Map(
    [...new URLSearchParams(query)].map(([name, value]) => [name.toLowerCase(), value] as const),
  );
  const first = hosts.split(',')[0] ?? hosts;
  const username = encodedUser === undefined ? undefined : decodeURIComponent(encodedUser);
  const password = encodedPassword === undefined ? undefined : decodeURIComponent(encodedPassword);
  const isSecure = options.get('tls') !== 'false';
  return {
    url,
    host: /:\d+$/.test(first) ? first : `${first}:${defaultPort}`,
    isSecure,
    caFile: options.get('tlscafile'),
    username,
    password,
    authorization:
      username === undefined || password === undefined || !isSecure ? null : basic(username, password),
  };
}

/** `Authorization` header of HTTP Basic authentication (RFC 7617). */
export function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** The same URL as another user, or as none. */
export function withCredentials(address: ServerAddress, credentials: string | undefined): string {
  const [scheme = 'esdb'] = address.url.split('://');
  const rest = address.url.slice(scheme.length + 3).replace(/^[^/?]*@/, '');
  return `${scheme}://${credentials === undefined ? '' : `${credentials}@`}${rest}`;
}
