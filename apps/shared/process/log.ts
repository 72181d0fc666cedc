import { destination, pino, stdSerializers, type Logger } from 'pino';

export type { Logger } from 'pino';

/**
 * Text is logged only under these names (reliability.md B3: allow-list). They hold ids, positions and words of ours, never
 * what a user or a mail wrote. Numbers and booleans are always logged. A new name is a decision, made here.
 */
const loggedTextFields = new Set([
  ...[
    'tenantId',
    'userId',
    'mailboxId',
    'conversationId',
    'messageId',
    'eventId',
    'commandId',
    'jobId',
    'reqId',
  ],
  ...[
    'streamName',
    'eventType',
    'position',
    'revision',
    'tier',
    'shard',
    'lane',
    'slot',
    'generation',
    'schema',
  ],
  ...['method', 'route', 'outcome', 'state', 'kind', 'child', 'signal', 'code', 'host', 'reason', 'version'],
  ...['context', 'hook', 'database', 'correlationId', 'causationId', 'owner', 'phase', 'cache'],
]);
const notLogged = '[not logged]';
const depthMax = 4;

/**
 * JSON lines on stderr, written synchronously so that the last line before a crash is there too.
 * Level from LOG_LEVEL, which the caller has checked.
 */
export function createLog(name: string, level: string): Logger {
  return pino(
    {
      name,
      level,
      base: { name, pid: process.pid },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: (fields) => allowed(fields, 0) },
      hooks: {
        // A message is ours, but an interpolated error text may quote an address or a row.
        logMethod(args, method) {
          method.apply(
            this,
            args.map((arg) => (typeof arg === 'string' ? withoutAddresses(arg) : arg)) as typeof args,
          );
        },
      },
    },
    destination({ dest: 2, sync: true }),
  );
}

function allowed(fields: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, allowedValue(name, value, depth)]),
  );
}

function allowedValue(name: string, value: unknown, depth: number): unknown {
  if (value instanceof Error) return loggableError(value);
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return value;
    case 'bigint':
      return value.toString();
    case 'string':
      return loggedTextFields.has(name) ? withoutAddresses(value) : notLogged;
    case 'object':
      if (value === null) return null;
      if (value instanceof Date) return value.toISOString();
      if (Array.isArray(value)) return value.map((item) => allowedValue(name, item, depth + 1));
      return depth < depthMax ? allowed(value, depth + 1) : notLogged;
    case 'function':
    case 'symbol':
      return notLogged;
  }
}

/** Without PostgreSQL's `detail` and `where`, which quote rows. */
function loggableError(error: Error): Record<string, unknown> {
  const { type, message, stack } = stdSerializers.err(error);
  const code = (error as { code?: unknown }).code;
  return {
    type,
    message: withoutAddresses(message),
    stack: withoutAddresses(stack),
    ...(typeof code === 'string' ? { code } : {}),
  };
}

function withoutAddresses(text: string): string {
  // Without `/`, so that the scoped packages in a stack keep their names.
  return text.replace(/[^\s<>"'(),;:=/]{1,64}@[^\s<>"'(),;:=/]{1,255}/g, '[address]');
}
