import { createHash } from 'node:crypto';
import { v5 } from 'uuid';
import type { CommandMetadata } from '../../../domain/decider';
import { mailbox as mailboxDecider } from '../../../domain/mailbox/mailbox';
import { ChangeThreadingPolicy, ConnectMailbox } from '../../../domain/mailbox/mailbox.commands';
import type { ThreadingPolicy } from '../../../domain/mailbox/mailbox.events';
import { streamName } from '../../../domain/stream-name';
import { tenant as tenantDecider } from '../../../domain/tenant/tenant';
import { IssueApiKey, RegisterTenant, RevokeApiKey } from '../../../domain/tenant/tenant.commands';
import { user as userDecider } from '../../../domain/user/user';
import { ActivateUser, ChangeUserRole, DeactivateUser, InviteUser } from '../../../domain/user/user.commands';
import { handleCommand } from '../../shared/event-store/handle-command';
import { apiKeyHash, formatApiKey } from '../../shared/http/api-key';
import type { Random } from './random';
import { ScratchStore } from './scratch-store';

/** A tenant of a sample log. Everything follows from the seed, so whoever knows that can read and write as the tenant. */
export interface SampleTenant {
  readonly tenantId: string;
  readonly name: string;
  readonly apiKey: string;
  /** Active agents, who never leave. */
  readonly agentIds: readonly string[];
  readonly mailboxes: readonly SampleMailbox[];
}

export interface SampleMailbox {
  readonly mailboxId: string;
  readonly name: string;
  readonly address: string;
}

/** Random, drawn once for sample logs. */
const sampleNamespace = '0e2f7d0c-93c9-4a0e-8f0e-6a2f5c1d7b34';
const agentsPerTenant = { min: 2, max: 6 } as const;
const mailboxesPerTenant = { min: 1, max: 3 } as const;
const givenNames = ['Ada', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gina', 'Hugo', 'Iris', 'Jon', 'Kim', 'Lea'];

/** An id that follows from the seed and a name. */
export function sampleId(seed: number, name: string): string {
  return v5(`${seed}|${name}`, sampleNamespace);
}

export function sampleTenants(seed: number, count: number, random: Random): SampleTenant[] {
  return Array.from({ length: count }, (_, index) => {
    const tenantId = sampleId(seed, `tenant ${index}`);
    const agents = random.between(agentsPerTenant.min, agentsPerTenant.max);
    const mailboxes = random.between(mailboxesPerTenant.min, mailboxesPerTenant.max);
    return {
      tenantId,
      name: `Tenant ${index}`,
      apiKey: formatApiKey({ tenantId, secret: secretOf(seed, tenantId) }),
      agentIds: Array.from({ length: agents }, (_, n) => sampleId(seed, `agent ${index} ${n}`)),
      mailboxes: Array.from({ length: mailboxes }, (_, n) => ({
        mailboxId: sampleId(seed, `mailbox ${index} ${n}`),
        name: `Support ${n}`,
        address: `support${n}@tenant${index}.example`,
      })),
    };
  });
}

function secretOf(seed: number, tenantId: string): Buffer {
  return createHash('sha256').update(`${seed}|api key|${tenantId}`).digest();
}

/** A tenant's own streams: how it is set up, and what changes about it afterwards. */
export class TenantLife {
  readonly store = new ScratchStore();
  private readonly policies = new Map<string, ThreadingPolicy>();
  private commands = 0;
  /** Came after the agents, and may leave again. */
  private passingUser: { readonly userId: string; readonly isActive: boolean } | null = null;
  private extraKeyId: string | null = null;

  constructor(
    readonly tenant: SampleTenant,
    private readonly seed: number,
    private readonly random: Random,
  ) {}

  policyOf(mailboxId: string): ThreadingPolicy {
    return this.policies.get(mailboxId) ?? 'references';
  }

  async begin(now: string): Promise<void> {
    const { tenantId, name, agentIds, mailboxes } = this.tenant;
    const secret = secretOf(this.seed, tenantId);
    const apiKey = {
      ...{ apiKeyId: sampleId(this.seed, `key ${tenantId}`), name: 'first key' },
      ...{ keyHash: apiKeyHash(secret), expiresAt: null },
    };
    const register = { tenantId, name, timeZone: 'Europe/Berlin', apiKey };
    await this.ofTenant(new RegisterTenant(register, this.metadata(now)));
    for (const [index, userId] of agentIds.entries())
      await this.ofUser(new InviteUser(this.userData(userId, index), this.metadata(now)));
    for (const { mailboxId, name: mailboxName, address } of mailboxes) {
      const threadingPolicy: ThreadingPolicy = this.random.chance(0.2)
        ? 'references-and-subject'
        : 'references';
      this.policies.set(mailboxId, threadingPolicy);
      const data = { mailboxId, name: mailboxName, address, threadingPolicy };
      await this.ofMailbox(new ConnectMailbox(data, this.metadata(now)));
    }
  }

  /** One change of the team, the keys or a mailbox. */
  async change(now: string): Promise<void> {
    const kind = this.random.between(0, 2);
    if (kind === 0) await this.changeTeam(now);
    else if (kind === 1) await this.changeKeys(now);
    else await this.changePolicy(now);
  }

  private async changeTeam(now: string): Promise<void> {
    const metadata = this.metadata(now);
    const passing = this.passingUser;
    if (passing === null) {
      const userId = sampleId(this.seed, `passing user ${this.tenant.tenantId} ${this.commands}`);
      this.passingUser = { userId, isActive: true };
      return this.ofUser(new InviteUser(this.userData(userId, this.commands), metadata));
    }
    const { userId, isActive } = passing;
    if (isActive && this.random.chance(0.5)) {
      const role = this.random.chance(0.5) ? 'viewer' : 'admin';
      return this.ofUser(new ChangeUserRole({ userId, role }, metadata));
    }
    this.passingUser = isActive || this.random.chance(0.5) ? { userId, isActive: !isActive } : null;
    if (isActive) return this.ofUser(new DeactivateUser({ userId, reason: 'left the team' }, metadata));
    return this.ofUser(new ActivateUser({ userId }, metadata));
  }

  private async changeKeys(now: string): Promise<void> {
    const metadata = this.metadata(now);
    const apiKeyId = this.extraKeyId;
    if (apiKeyId !== null) {
      this.extraKeyId = null;
      return this.ofTenant(new RevokeApiKey({ apiKeyId }, metadata));
    }
    this.extraKeyId = sampleId(this.seed, `key ${this.tenant.tenantId} ${this.commands}`);
    const keyHash = apiKeyHash(Buffer.from(this.extraKeyId));
    const key = { apiKeyId: this.extraKeyId, name: 'another key', keyHash, expiresAt: null };
    return this.ofTenant(new IssueApiKey(key, metadata));
  }

  private async changePolicy(now: string): Promise<void> {
    const mailbox = this.random.pick(this.tenant.mailboxes);
    if (mailbox === undefined) return;
    const { mailboxId } = mailbox;
    const threadingPolicy: ThreadingPolicy =
      this.policyOf(mailboxId) === 'references' ? 'references-and-subject' : 'references';
    this.policies.set(mailboxId, threadingPolicy);
    await this.ofMailbox(new ChangeThreadingPolicy({ mailboxId, threadingPolicy }, this.metadata(now)));
  }

  private userData(userId: string, index: number): InviteUser['data'] {
    const name = givenNames[index % givenNames.length] ?? '';
    return {
      userId,
      name,
      email: `${name.toLowerCase()}.${index}@${this.tenant.tenantId}.example`,
      role: 'agent',
    };
  }

  private metadata(now: string): CommandMetadata {
    const { tenantId } = this.tenant;
    this.commands += 1;
    const commandId = sampleId(this.seed, `command ${tenantId} ${this.commands}`);
    return { tenantId, commandId, actor: { kind: 'operator', id: null }, now };
  }

  private async ofTenant(command: RegisterTenant | IssueApiKey | RevokeApiKey): Promise<void> {
    const { tenantId } = this.tenant;
    const stream = streamName('tenant', tenantId, tenantId);
    await handleCommand({ store: this.store, decider: tenantDecider, streamName: stream, command });
  }

  private async ofUser(command: InviteUser | ActivateUser | DeactivateUser | ChangeUserRole): Promise<void> {
    const stream = streamName('user', this.tenant.tenantId, command.data.userId);
    await handleCommand({ store: this.store, decider: userDecider, streamName: stream, command });
  }

  private async ofMailbox(command: ConnectMailbox | ChangeThreadingPolicy): Promise<void> {
    const stream = streamName('mailbox', this.tenant.tenantId, command.data.mailboxId);
    await handleCommand({ store: this.store, decider: mailboxDecider, streamName: stream, command });
  }
}
