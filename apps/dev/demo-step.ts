/** What the steps of a demo are told on, and what ends them early. */
export interface Stage {
  readonly write: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Somebody has asked the demo to stop. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Prints a tick and what came of it, or a cross before the error goes on. */
export async function step<T>(
  write: Stage['write'],
  title: string,
  run: () => Promise<{ result: T; told: string }>,
): Promise<T> {
  const startedAt = Date.now();
  try {
    const { result, told } = await run();
    write(`✓ ${title}: ${told} (${((Date.now() - startedAt) / 1_000).toFixed(1)} s)`);
    return result;
  } catch (error) {
    write(`✗ ${title}`);
    throw error;
  }
}

/** For what a command says on the way: its lines, below the step they belong to. */
export function indented(write: Stage['write']): (text: string) => void {
  return (text) => {
    for (const line of text.split('\n')) if (line.trim() !== '') write(`  ${line.trim()}`);
  };
}

/** `12,345`. */
export function figure(count: number): string {
  return count.toLocaleString('en-US');
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
