import type { ServerHttp2Session } from 'node:http2';

export interface KeepAlive {
  readonly intervalMs: number;
  /** How long a client may take to answer before its connection is closed. */
  readonly timeoutMs: number;
}

/** As a real node (event-store.md §4, HTTP/2). */
export const keepAliveDefault: KeepAlive = { intervalMs: 10_000, timeoutMs: 10_000 };

/** Asks the client by PING whether it is there: one that went without a word would hold its subscriptions for ever. */
export function keepAlive(session: ServerHttp2Session, { intervalMs, timeoutMs }: KeepAlive): void {
  let giveUp: NodeJS.Timeout | undefined;
  const ask = setInterval(() => {
    if (session.destroyed || giveUp !== undefined) return;
    giveUp = setTimeout(() => session.destroy(), timeoutMs);
    session.ping(() => {
      clearTimeout(giveUp);
      giveUp = undefined;
    });
  }, intervalMs);
  session.once('close', () => {
    clearInterval(ask);
    clearTimeout(giveUp);
  });
}
