import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { UnexpectedAnswer } from './demo-expectation';
import type { System } from './system';

const requestTimeoutMs = 10_000;

export interface Answer<Body> {
  readonly body: Body;
  readonly headers: Headers;
}

/** Talks to both APIs as any client would: with a key, over HTTP, and with every answer checked for its shape. */
export class DemoClient {
  /** Of the last command: reads wait for it, so that each shows what the demo has just done. */
  private position = '0';

  constructor(
    private readonly urls: System['urls'],
    private readonly apiKey: string,
  ) {}

  /** From here on reads also show what others have written up to `position`. */
  seen(position: string): void {
    if (BigInt(position) > BigInt(this.position)) this.position = position;
  }

  async command<Shape extends z.ZodType>(
    route: string,
    body: object,
    expected: { status: number; shape: Shape },
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Answer<z.infer<Shape>>> {
    const [method = 'POST', path = ''] = route.split(' ');
    const response = await fetch(this.urls.commandApi + path, {
      method,
      headers: {
        ...this.authorization(),
        'content-type': 'application/json',
        'idempotency-key': randomUUID(),
        ...headers,
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
    const answer = await checked(route, response, expected);
    this.seen(response.headers.get('x-log-position') ?? '0');
    return answer;
  }

  async read<Shape extends z.ZodType>(path: string, shape: Shape): Promise<Answer<z.infer<Shape>>> {
    return checked(`GET ${path}`, await this.fetchRead(path), { status: 200, shape });
  }

  async readBytes(path: string): Promise<Answer<Buffer>> {
    const response = await this.fetchRead(path);
    const body = Buffer.from(await response.arrayBuffer());
    if (response.status !== 200) throw new UnexpectedAnswer(`GET ${path}`, 200, response.status);
    return { body, headers: response.headers };
  }

  /** Without waiting for a position, as a screen that refreshes itself reads. */
  async readAtOnce(path: string): Promise<Response> {
    return fetch(this.urls.queryApi + path, {
      headers: this.authorization(),
      signal: AbortSignal.timeout(requestTimeoutMs),
    });
  }

  private async fetchRead(path: string): Promise<Response> {
    return this.readAtOnce(`${path}${path.includes('?') ? '&' : '?'}after=${this.position}`);
  }

  private authorization(): Record<string, string> {
    return { authorization: `Bearer ${this.apiKey}` };
  }
}

async function checked<Shape extends z.ZodType>(
  route: string,
  response: Response,
  { status, shape }: { status: number; shape: Shape },
): Promise<Answer<z.infer<Shape>>> {
  const text = await response.text();
  if (response.status !== status)
    throw new UnexpectedAnswer(route, status, `${response.status} ${text.slice(0, 500)}`);
  const parsed = shape.safeParse(parsedJson(text));
  if (!parsed.success)
    throw new UnexpectedAnswer(
      `${route}: ${parsed.error.issues[0]?.message ?? ''}`,
      'its documented shape',
      text,
    );
  return { body: parsed.data, headers: response.headers };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
