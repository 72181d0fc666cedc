import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadDevEnvironment } from '../../apps/shared/config/dev-environment';
import { removeDataDirectory } from '../../apps/shared/embedded/directories';
import { copyClusterTemplate } from '../support/cluster-template';
import { eventually } from '../support/eventually';
import { startProcess, type TestProcess } from '../support/processes';

export interface Mailbox {
  readonly mailboxId: string;
}

export interface ConversationSeen {
  readonly id: string;
  readonly messageIds: readonly string[];
}

/** `npm start` on a data folder of its own, and what a client needs to use it. */
export class WholeSystem {
  private constructor(
    private readonly process: TestProcess,
    readonly dataDir: string,
    /** What its processes were given: URLs, and the operator's key. */
    readonly env: Readonly<Record<string, string>>,
  ) {}

  /** `further`: variables beside those that it sets itself. */
  static async start(further: Readonly<Record<string, string>> = {}): Promise<WholeSystem> {
    const dataDir = mkdtempSync(join(tmpdir(), 'mf-'));
    await copyClusterTemplate(dataDir);
    const process = await startProcess('apps/dev/main.js', {
      args: ['start'],
      env: {
        ...further,
        DATA_DIR: dataDir,
        EVENT_STORE_NODE_PORT: '0',
        COMMAND_API_PORT: '0',
        QUERY_API_PORT: '0',
        CONSOLE_PORT: '0',
      },
      readyTimeoutMs: 60_000,
    });
    const env: NodeJS.ProcessEnv = {};
    loadDevEnvironment(dataDir, env);
    return new WholeSystem(process, dataDir, env as Record<string, string>);
  }

  /** For the CLI: which data folder to take its defaults from, and nothing else. */
  get cliEnvironment(): Record<string, string> {
    return { DATA_DIR: this.dataDir };
  }

  async stop(): Promise<void> {
    await this.process.stop(15_000);
    await removeDataDirectory(this.dataDir);
  }

  /** The process of that name that runs now, as `ps` sees it; undefined while there is none. */
  pidOf(name: string): number | undefined {
    const pattern =
      name === 'postgres' ? /\/postgres / : name === 'redis' ? /redis-server/ : `/${name}/main.js`;
    return execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' })
      .split('\n')
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
      .filter((match) => Number(match?.[2]) === this.process.pid)
      .filter((match) =>
        typeof pattern === 'string' ? match?.[3]?.includes(pattern) : pattern.test(match?.[3] ?? ''),
      )
      .map((match) => Number(match?.[1]))
      .at(0);
  }

  async createMailbox(threadingPolicy = 'references'): Promise<string> {
    const response = await fetch(`${this.env['COMMAND_API_URL']}/v1/mailboxes`, {
      method: 'POST',
      headers: { ...this.authorization(), 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Test', address: 'test@example.com', threadingPolicy }),
    });
    expect(response.status).toBe(201);
    return ((await response.json()) as Mailbox).mailboxId;
  }

  /** Every conversation of the mailbox with its messages, read at `position` or later. */
  async conversationsOf(mailboxId: string, position: string): Promise<ConversationSeen[]> {
    const found: ConversationSeen[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page = await this.read<{ items: { id: string }[]; nextCursor: string | null }>(
        `/v1/conversations?mailboxId=${mailboxId}&limit=200&status=open,pending,resolved,spam,trash${more}`,
        position,
      );
      for (const { id } of page.items) found.push({ id, messageIds: await this.messagesOf(id, position) });
      cursor = page.nextCursor;
    } while (cursor !== null);
    return found;
  }

  async read<Body>(path: string, position: string): Promise<Body> {
    return JSON.parse((await this.readBytes(path, position)).toString()) as Body;
  }

  /** Waits out 503: a process that was killed may be on its way back. */
  async readBytes(path: string, position: string): Promise<Buffer> {
    const separator = path.includes('?') ? '&' : '?';
    return eventually(async () => {
      const response = await fetch(`${this.env['QUERY_API_URL']}${path}${separator}after=${position}`, {
        headers: this.authorization(),
      });
      const body = Buffer.from(await response.arrayBuffer());
      if (response.status !== 200)
        throw new Error(`GET ${path}: ${response.status} ${body.toString().slice(0, 300)}`);
      return body;
    }, 30_000);
  }

  async rawSha256(messageId: string, position: string): Promise<string> {
    const raw = await this.readBytes(`/v1/messages/${messageId}/raw`, position);
    return createHash('sha256').update(raw).digest('hex');
  }

  private async messagesOf(conversationId: string, position: string): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor === null ? '' : `&cursor=${cursor}`;
      const page = await this.read<{ messages: { id: string }[]; nextCursor: string | null }>(
        `/v1/conversations/${conversationId}?limit=200${more}`,
        position,
      );
      ids.push(...page.messages.map(({ id }) => id));
      cursor = page.nextCursor;
    } while (cursor !== null);
    return ids;
  }

  private authorization(): Record<string, string> {
    return { authorization: `Bearer ${this.env['MAILFOLD_API_KEY']}` };
  }
}
