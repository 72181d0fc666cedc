/** `Promise.all` with at most `parallelMax` calls under way: a mail may name a hundred others. Keeps the order. */
export async function mapBounded<T, R>(
  items: readonly T[],
  parallelMax: number,
  call: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  for (let from = 0; from < items.length; from += parallelMax) {
    results.push(...(await Promise.all(items.slice(from, from + parallelMax).map(call))));
  }
  return results;
}
