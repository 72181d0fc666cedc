/** Awaits what must not take long. Throws with the name of what did not come. */
export async function within<T>(timeoutMs: number, what: string, promise: Promise<T>): Promise<T> {
  let limit: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    limit = setTimeout(() => reject(new Error(`${what} did not come within ${timeoutMs} ms`)), timeoutMs);
  });
  return Promise.race([promise, expired]).finally(() => clearTimeout(limit));
}
