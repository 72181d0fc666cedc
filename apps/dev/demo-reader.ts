import type { DemoClient } from './demo-client';

export interface ReadsSeen {
  readonly reads: number;
  /** Each answer other than 200, and each step back, in words. */
  readonly faults: readonly string[];
}

/**
 * Reads over and over, as the screens of a team do, until stopped. What it must never see: an error, or an answer from an
 * earlier position of the log than an answer before it (monotonic reads, reliability.md I12).
 */
export function readContinuously(
  client: DemoClient,
  paths: readonly string[],
): { stop(): Promise<ReadsSeen> } {
  let stopped = false;
  let reads = 0;
  const faults: string[] = [];
  const readers = paths.map(async (path) => {
    let latest = 0n;
    while (!stopped) {
      const { fault, position } = await readOnce(client, path);
      reads += 1;
      if (fault !== null) faults.push(`GET ${path}: ${fault}`);
      else if (position < latest) faults.push(`GET ${path}: position ${position} after ${latest}`);
      else latest = position;
    }
  });
  return {
    stop: async () => {
      stopped = true;
      await Promise.all(readers);
      return { reads, faults };
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
