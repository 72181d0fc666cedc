/** Prints a tick and what came of it, or a cross before the error goes on. */
export async function step<T>(
  write: (line: string) => void,
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

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
