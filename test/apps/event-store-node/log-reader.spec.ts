import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import pino from 'pino';
import { DurableLog } from '../../../apps/event-store-node/log/durable-log';
import { LogReader } from '../../../apps/event-store-node/storage/log-reader';

/** Two ends of a connection. */
async function connection(): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [far] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [near, far];
}

test('the head is not told from memory when the end of the session was there to be heard as the call came in', async () => {
  const durable = new DurableLog(7);
  const reader = new LogReader('postgresql:///never-asked', durable, pino({ level: 'silent' }));
  const [caller, node] = await connection();
  const [postgres, session] = await connection();
  try {
    expect(await reader.head()).toBe(7);
    session.once('data', () => durable.suspend());
    // As after a pause: the turn that hands over the call has not looked at the session since.
    const answer = once(node, 'data').then(() => {
      postgres.write('terminated by an administrator');
      return reader.head();
    });
    caller.write('read');
    await expect(answer).rejects.toThrow(/not available/);
  } finally {
    for (const socket of [caller, node, postgres, session]) socket.destroy();
    await reader.close();
  }
});
