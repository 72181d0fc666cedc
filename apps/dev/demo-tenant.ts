import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { DemoTenant } from './secrets';

const callTimeoutMs = 10_000;

/** Makes a tenant with one agent and one mailbox, through the command API as anybody else would. */
export async function createDemoTenant(commandApiUrl: string, adminKey: string): Promise<DemoTenant> {
  const tenant = await post(`${commandApiUrl}/v1/tenants`, adminKey, { name: 'Demo' }, [
    'tenantId',
    'apiKey',
  ] as const);
  const agent = { name: 'Ada', email: 'ada@demo.example', role: 'agent' };
  const { userId } = await post(`${commandApiUrl}/v1/users`, tenant.apiKey, agent, ['userId'] as const);
  const mailbox = { name: 'Support', address: 'support@demo.example' };
  const { mailboxId } = await post(`${commandApiUrl}/v1/mailboxes`, tenant.apiKey, mailbox, [
    'mailboxId',
  ] as const);
  return { ...tenant, userId, mailboxId };
}

async function post<Field extends string>(
  url: string,
  key: string,
  body: unknown,
  fields: readonly Field[],
): Promise<Record<Field, string>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'idempotency-key': randomUUID(),
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(callTimeoutMs),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`POST ${new URL(url).pathname} answered ${response.status}: ${text}`);
  const shape = Object.fromEntries(fields.map((field) => [field, z.string()])) as Record<Field, z.ZodString>;
  return z.object(shape).parse(JSON.parse(text)) as Record<Field, string>;
}
