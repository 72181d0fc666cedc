import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** Stands before an HTTP server and lets its answers come late. */
export interface SlowProxy {
  readonly url: string;
  /** From the next request on. */
  delayMs: number;
  close(): Promise<void>;
}

export async function startSlowProxy(origin: string): Promise<SlowProxy> {
  const server = createServer((asked, answer) => {
    const forward = (): void => {
      const { method, headers } = asked;
      const passed = request(new URL(asked.url ?? '/', origin), { method, headers }, (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(answer);
      });
      passed.on('error', (error) => answer.destroy(error));
      asked.pipe(passed);
    };
    void delay(proxy.delayMs).then(forward);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const proxy: SlowProxy = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    delayMs: 0,
    close: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return proxy;
}
