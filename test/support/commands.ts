import type { CommandMetadata } from '../../domain/decider';

export const at = '2026-03-01T10:00:00.000Z';

export const by: CommandMetadata = {
  tenantId: '00000000-0000-4000-8000-00000000000a',
  commandId: '00000000-0000-4000-8000-0000000000c0',
  actor: { kind: 'user', id: 'ana' },
  now: at,
};
