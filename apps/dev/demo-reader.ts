import { setTimeout as delay } from 'node:timers/promises';
import type { DemoClient } from './demo-client';

export interface ReadsSeen {
  readonly reads: number;
  readonly slowestMs: number;
  readonly faults: readonly ReadFault[];
}

/** An answer other than 200, or one from an earlier position than one before it, in words. */
export interface ReadFault {
  /** When it was asked and answered, ms since 1970. */
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

/**
 * Reads over and over, as the screens of a team do, until stopped. What it must never see: an error, or an answer from an
 * earlier position of the log than an answer before it (monotonic reads, reliability.md I12).
 */
export function readContinuously(
  client: DemoClient,
  paths: readonly string[],
  { pauseMs = 0 }: { readonly pauseMs?: number } = {},
): { stop(): Promise<ReadsSeen> } {
  let stopped = false;
  let [reads, slowestMs] = [0, 0];
  const faults: ReadFault[] = [];
  const readers = paths.map(async (path) => {
    let latest = 0n;
    while (!stopped) {
      const from = Date.now();
      const { fault, position } = await readOnce(client, path);
      const to = Date.now();
      reads += 1;
      slowestMs = Math.max(slowestMs, to - from);
      const stepBack = position < latest ? `position ${position} after ${latest}` : null;
      const text = fault ?? stepBack;
      if (text === null) latest = position;
      else faults.push({ from, to, text: `GET ${path}: ${text}` });
      if (pauseMs > 0) await delay(pauseMs);
    }
  });
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(readers);
      return { reads, slowestMs, faults };
    },
  };
}

async function readOnce(
  client: DemoClient,
  path: string,
): Promise<{ fault: string | null; position: bigint }> {
  try {
    const response = await client.readAtOnce(path);
    const body = await response.text();
    const position = response.headers.get('x-read-model-position') ?? '';
    if (response.status !== 200) return { fault: `${response.status} ${body.slice(0, 200)}`, position: 0n };
    if (!/^\d+$/.test(position)) return { fault: 'no X-Read-Model-Position', position: 0n };
    return { fault: null, position: BigInt(position) };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error), position: 0n };
  }
}
