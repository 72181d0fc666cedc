import type { Command, CommandMetadata } from '../decider';

// Plain classes, so that a command bus can route them by constructor while the domain imports no framework.

/** `keyHash` is the sha256 of the key, hex; the key itself never comes this far. `expiresAt` is ISO-8601 or never. */
export interface NewApiKey {
  readonly apiKeyId: string;
  readonly name: string;
  readonly keyHash: string;
  readonly expiresAt: string | null;
}

/** A tenant starts with a key, because without one nobody could issue the first. */
export class RegisterTenant implements Command<'RegisterTenant'> {
  readonly type = 'RegisterTenant';
  constructor(
    readonly data: {
      readonly tenantId: string;
      readonly name: string;
      readonly timeZone: string;
      readonly apiKey: NewApiKey;
    },
    readonly metadata: CommandMetadata,
  ) {}
}

export class IssueApiKey implements Command<'IssueApiKey'> {
  readonly type = 'IssueApiKey';
  constructor(
    readonly data: NewApiKey,
    readonly metadata: CommandMetadata,
  ) {}
}

export class RevokeApiKey implements Command<'RevokeApiKey'> {
  readonly type = 'RevokeApiKey';
  constructor(
    readonly data: { readonly apiKeyId: string },
    readonly metadata: CommandMetadata,
  ) {}
}

export type TenantCommand = RegisterTenant | IssueApiKey | RevokeApiKey;
