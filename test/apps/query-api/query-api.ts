import { startProcess, type TestProcess } from '../../support/processes';
import type { ReadSide } from './read-side';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly bytes: Buffer;
  readonly json: Body;
}

export interface Item {
  readonly id: string;
  readonly subject: string;
  readonly receivedAt: string;
  readonly text: string;
  readonly [field: string]: unknown;
}

/** Of all routes together; a test reads what its route has. */
export interface Body {
  readonly items: readonly Item[];
  readonly messages: readonly Item[];
  readonly notes: readonly Item[];
  readonly nextCursor: string | null;
  readonly conversation: Item;
  readonly tiers: readonly Item[];
  readonly errors?: readonly { readonly field: string }[];
  readonly [field: string]: unknown;
}

export class QueryApi {
  private constructor(readonly process: TestProcess) {}

  static async start(side: ReadSide, env: Record<string, string> = {}): Promise<QueryApi> {
    return new QueryApi(
      await startProcess('apps/query-api/main.js', {
        env: { ...side.environment, LOG_LEVEL: 'info', ...env },
      }),
    );
  }

  async get(path: string, key?: string, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${this.process.port}${path}`, {
      headers: { ...(key === undefined ? {} : { authorization: `Bearer ${key}` }), ...headers },
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString('utf8');
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      bytes,
      json: (isJson ? JSON.parse(text) : {}) as Body,
    };
  }

  /** Sends a request and goes away after `afterMs`, answered or not. */
  async abandon(path: string, key: string, afterMs: number): Promise<void> {
    await fetch(`http://127.0.0.1:${this.process.port}${path}`, {
      headers: { authorization: `Bearer ${key}` },
      signal: AbortSignal.timeout(afterMs),
    }).then(
      (response) => response.text().catch(() => ''),
      () => '',
    );
  }
}
