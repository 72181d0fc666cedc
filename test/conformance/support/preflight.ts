import { ProtocolClient } from './protocol-client';
import { readAllRequest } from './requests';
import type { ServerAddress } from './server-address';

const code = { ok: 0, permissionDenied: 7, unavailable: 14, unauthenticated: 16 } as const;
const complaints: ReadonlyMap<number, string> = new Map([
  [code.permissionDenied, 'does not let the user of the URL, or nobody if it names none, read $all'],
  [code.unavailable, 'cannot be reached'],
  [code.unauthenticated, 'does not accept the user and password of the URL'],
]);
const answerTimeoutMs = 10_000;

/**
 * Reads one event, so that a server that is not there, or does not let the user in, is told in one line and not by hundreds of
 * failures. Throws an error that says which it is, after 10 s at the latest.
 */
export async function checkServerAnswers(address: ServerAddress): Promise<void> {
  const client = new ProtocolClient(address);
  try {
    const { code: status, details } = await client.read(readAllRequest({ count: 1n })).end(answerTimeoutMs);
    if (Number(status) === code.ok) return;
    const complaint = complaints.get(status) ?? 'refuses to read $all';
    throw new Error(
      `The server at ${address.host} ${complaint} (${status}: ${details.split('\n')[0] ?? ''})`,
    );
  } finally {
    client.close();
  }
}
