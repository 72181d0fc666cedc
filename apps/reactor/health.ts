import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { EventStore } from '../shared/event-store/event-store';
import type { ReactorProgress } from './run-reactor';

/**
 * `GET /healthz`: where the reactor stands, and where the log ends; 503 while the log cannot be read. `behind` is a distance
 * of positions, not of events: zero means nothing is left to answer.
 */
export async function serveHealth(
  { store, progress }: { store: EventStore; progress: ReactorProgress },
  { host, port }: { host: string; port: number },
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    if (request.url !== '/healthz' || request.method !== 'GET') {
      response.writeHead(404).end();
      return;
    }
    describe(store, progress).then(
      (body) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)),
      () => response.writeHead(503, { 'retry-after': '1' }).end(),
    );
  });
  await listening(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((closed) => {
        server.close(() => closed());
        server.closeAllConnections();
      }),
  };
}

async function describe(store: EventStore, progress: ReactorProgress): Promise<Record<string, unknown>> {
  const head = await store.head();
  const { state, position, handled, parked } = progress;
  return {
    state,
    position: position?.toString() ?? null,
    head: head?.toString() ?? null,
    behind: Number((head ?? 0n) - (position ?? 0n)),
    handled,
    parked,
  };
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
