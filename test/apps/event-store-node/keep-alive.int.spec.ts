import { once } from 'node:events';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { pino } from 'pino';
import { grantAll } from '../../../apps/event-store-node/grpc/credentials';
import { GrpcServer } from '../../../apps/event-store-node/grpc/grpc-server';

let server: GrpcServer;
let port: number;
beforeAll(async () => {
  server = new GrpcServer({}, pino({ enabled: false }), {
    tls: undefined,
    authenticate: grantAll,
    keepAlive: { intervalMs: 50, timeoutMs: 500 },
  });
  port = await server.listen('127.0.0.1', 0);
});
afterAll(async () => {
  server.stopAccepting();
  await server.close();
});

test('a client that answers pings keeps its connection', async () => {
  const session = connect(`http://127.0.0.1:${port}`);
  for (let count = 0; count < 20; count++) await once(session, 'ping');
  expect(session.destroyed).toBe(false);
  session.close();
});

test('a client that answers none loses it', async () => {
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.on('error', () => undefined).resume();
  // The connection preface and empty settings (RFC 9113 §3.4), then never a word again.
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  await once(socket, 'close');
  expect(socket.destroyed).toBe(true);
});
