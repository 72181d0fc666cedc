import { fork } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';

/** Methods a helper process offers. Arguments and answers are copied, so they hold data only. */
export type HelperMethods = Record<string, (argument: never) => Promise<unknown>>;

/**
 * Work in a process of its own: a load generator in the harness's process, or in the node's, would measure itself.
 * It ends with the harness, however that ends.
 */
export interface Helper<Methods extends HelperMethods> {
  readonly pid: number;
  /** Resolves once its code is loaded, which a first call would else wait for. Never rejects: a call says what is wrong. */
  readonly loaded: Promise<void>;
  /** Rejects with the helper's error, when it takes longer than `timeoutMs`, and when the helper ends first. */
  call<Name extends keyof Methods & string>(
    name: Name,
    argument: Parameters<Methods[Name]>[0],
    timeoutMs?: number,
  ): Promise<Awaited<ReturnType<Methods[Name]>>>;
  stop(): Promise<void>;
}

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}
interface Pending {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

const callTimeoutMs = 120_000;
/** Of no call. */
const loadedId = 0;

/** Starts `dist/<file>`, which calls {@link serveHelper}. */
export function startHelper<Methods extends HelperMethods>(
  file: string,
  signal: AbortSignal,
): Helper<Methods> {
  const child = fork(resolve('dist', file), [], {
    serialization: 'advanced',
    // Peers may print; stdout is for the result alone.
    stdio: ['ignore', process.stderr, process.stderr, 'ipc'],
  });
  const pending = new Map<number, Pending>();
  const failAll = (reason: string): void => {
    for (const { reject } of pending.values()) reject(new Error(reason));
    pending.clear();
  };
  const kill = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  const loaded = Promise.race([once(child, 'message'), once(child, 'exit')]).then(() => undefined);
  child.on('message', ({ id, value, error }: Answer) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(error));
  });
  let ended: string | undefined;
  const exited = once(child, 'exit').then(([code, killedBy]) => {
    signal.removeEventListener('abort', kill);
    ended = `${file} ended (${String(code ?? killedBy)}) before it had answered`;
    failAll(ended);
  });
  let lastId = 0;
  const call = async (name: string, argument: unknown, timeoutMs = callTimeoutMs): Promise<unknown> => {
    signal.throwIfAborted();
    if (ended !== undefined) throw new Error(ended);
    const id = (lastId += 1);
    const answer = new Promise<unknown>((resolve, reject) => pending.set(id, { resolve, reject }));
    const timeout = setTimeout(
      () => pending.get(id)?.reject(new Error(`${file} did not answer ${name} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    // Where it cannot be sent, the end of the process says so.
    child.send({ id, name, argument } satisfies Request, () => undefined);
    return answer.finally(() => clearTimeout(timeout));
  };
  return {
    pid: child.pid ?? 0,
    loaded,
    call: call as Helper<Methods>['call'],
    stop: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

/** The other end: answers calls until the harness goes away. */
export function serveHelper(methods: HelperMethods): void {
  // Ctrl-C reaches the whole process group. The harness decides what it means.
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ id, name, argument }: Request) => {
    const answer = (rest: Omit<Answer, 'id'>): void => void process.send?.({ id, ...rest });
    const method = methods[name];
    if (method === undefined) {
      answer({ error: `no method ${name}` });
      return;
    }
    method(argument as never).then(
      (value) => answer({ value }),
      (error: unknown) => answer({ error: error instanceof Error ? error.message : String(error) }),
    );
  });
  process.send?.({ id: loadedId } satisfies Answer);
}
