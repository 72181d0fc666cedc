import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** A database of the embedded PostgreSQL behind a wire that can be cut and mended. */
export interface PostgresProxy {
  /** Of the database, through the proxy. */
  readonly url: string;
  /** Ends all connections, and each new one at once. */
  cut(): void;
  mend(): void;
  stop(): Promise<void>;
}

/** The embedded server listens on a Unix socket only. */
export async function startPostgresProxy(databaseUrl: string): Promise<PostgresProxy> {
  const { pathname, searchParams } = new URL(databaseUrl);
  const path = `${searchParams.get('host') ?? ''}/.s.PGSQL.5432`;
  const sockets = new Set<Socket>();
  let isCut = false;
  const server = createServer((near) => {
    if (isCut) return void near.destroy();
    const far = connect(path);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(one);
      one.pipe(other);
      one.on('error', () => undefined);
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const cut = (): void => {
    isCut = true;
    for (const socket of sockets) socket.destroy();
  };
  const { port } = server.address() as AddressInfo;
  return {
    url: `postgresql://${searchParams.get('user') ?? ''}@127.0.0.1:${port}${pathname}`,
    cut,
    mend: () => void (isCut = false),
    stop: async () => {
      cut();
      await new Promise((done) => server.close(done));
    },
  };
}
