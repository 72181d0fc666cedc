import { createHash } from 'node:crypto';
import { v5 } from 'uuid';

// Random, drawn once for Mailfold; changing one changes every id made with it.
const eventNamespace = '5b7f0a53-6a5c-4f0e-9d2b-7f6c1f1a9e10';
const commandNamespace = 'c2f3a1de-2f0b-4f43-8d38-3f8b5a6e4b77';

/** Id of the n-th event of a command: a retry writes the same ids, which the log recognises (architecture.md §3). */
export function eventId(commandId: string, index: number): string {
  return v5(`${commandId}|${index}`, eventNamespace);
}

/** Id of the n-th event with which a process manager answers an event, whichever process runs it. */
export function reactionEventId(causationEventId: string, reactor: string, index: number): string {
  return v5(`${causationEventId}|${reactor}|${index}`, eventNamespace);
}

/** The command an Idempotency-Key stands for; the scope is the tenant and the route with its parameters. */
export function keyedCommandId(tenantId: string, route: string, idempotencyKey: string): string {
  return v5(`${tenantId}|${route}|${idempotencyKey}`, commandNamespace);
}

/** An id that a command makes: the same on every retry of it. */
export function createdId(commandId: string, kind: string): string {
  return v5(`${commandId}|${kind}`, commandNamespace);
}

/**
 * Ids under a tenant's pepper: equal names give equal ids, and nobody without the pepper can test a guess at a
 * Message-ID or an address against an id (reliability.md B5). `pepper` is the tenant's 32 secret bytes.
 */
export function pepperedId(pepper: Uint8Array, tenantId: string, name: string): string {
  return v5(`${tenantId}|${name}`, createHash('sha256').update(pepper).digest().subarray(0, 16));
}
