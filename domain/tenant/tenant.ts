import type { Decider } from '../decider';
import { DomainError } from '../domain-error';
import type { IssueApiKey, NewApiKey, RegisterTenant, RevokeApiKey, TenantCommand } from './tenant.commands';
import type { ApiKeyIssued, TenantEvent } from './tenant.events';

export interface ApiKey {
  readonly apiKeyId: string;
  readonly keyHash: string;
  readonly expiresAt: string | null;
  readonly isRevoked: boolean;
}

export type Tenant =
  | { readonly status: 'unregistered' }
  | {
      readonly status: 'registered';
      readonly tenantId: string;
      readonly timeZone: string;
      readonly apiKeys: ReadonlyMap<string, ApiKey>;
    };

type RegisteredTenant = Extract<Tenant, { status: 'registered' }>;

export type TenantErrorCode = 'TENANT_NOT_FOUND' | 'TENANT_ALREADY_REGISTERED' | 'API_KEY_NOT_FOUND';

export const tenant: Decider<Tenant, TenantCommand, TenantEvent> = {
  initialState: { status: 'unregistered' },
  decide(command, state) {
    switch (command.type) {
      case 'RegisterTenant':
        return register(command, state);
      case 'IssueApiKey':
        return issueApiKey(command, state);
      case 'RevokeApiKey':
        return revokeApiKey(command, state);
    }
  },
  // Replays history that already happened: it never throws and never reads a clock.
  evolve(state, event) {
    switch (event.type) {
      case 'TenantRegistered': {
        const { tenantId, timeZone } = event.data;
        return { status: 'registered', tenantId, timeZone, apiKeys: new Map() };
      }
      case 'ApiKeyIssued': {
        const { apiKeyId, keyHash, expiresAt } = event.data;
        return withApiKey(state, { apiKeyId, keyHash, expiresAt, isRevoked: false });
      }
      case 'ApiKeyRevoked': {
        const apiKey = state.status === 'registered' ? state.apiKeys.get(event.data.apiKeyId) : undefined;
        return apiKey ? withApiKey(state, { ...apiKey, isRevoked: true }) : state;
      }
    }
  },
};

function register({ data }: RegisterTenant, state: Tenant): TenantEvent[] {
  const { tenantId, name, timeZone, apiKey } = data;
  if (state.status === 'registered') {
    if (state.apiKeys.has(apiKey.apiKeyId)) return [];
    throw new DomainError<TenantErrorCode>('TENANT_ALREADY_REGISTERED', 'This tenant is registered already');
  }
  return [{ type: 'TenantRegistered', data: { tenantId, name, timeZone } }, apiKeyIssued(tenantId, apiKey)];
}

function issueApiKey({ data }: IssueApiKey, state: Tenant): TenantEvent[] {
  const { tenantId, apiKeys } = registered(state);
  if (apiKeys.has(data.apiKeyId)) return [];
  return [apiKeyIssued(tenantId, data)];
}

function revokeApiKey({ data: { apiKeyId } }: RevokeApiKey, state: Tenant): TenantEvent[] {
  const { tenantId, apiKeys } = registered(state);
  const apiKey = apiKeys.get(apiKeyId);
  if (!apiKey) throw new DomainError<TenantErrorCode>('API_KEY_NOT_FOUND', 'This tenant has no such API key');
  if (apiKey.isRevoked) return [];
  return [{ type: 'ApiKeyRevoked', data: { tenantId, apiKeyId } }];
}

function registered(state: Tenant): RegisteredTenant {
  if (state.status === 'registered') return state;
  throw new DomainError<TenantErrorCode>('TENANT_NOT_FOUND', 'There is no such tenant');
}

function apiKeyIssued(tenantId: string, { apiKeyId, name, keyHash, expiresAt }: NewApiKey): ApiKeyIssued {
  return { type: 'ApiKeyIssued', data: { tenantId, apiKeyId, name, keyHash, expiresAt } };
}

function withApiKey(state: Tenant, apiKey: ApiKey): Tenant {
  if (state.status !== 'registered') return state;
  return { ...state, apiKeys: new Map(state.apiKeys).set(apiKey.apiKeyId, apiKey) };
}
