const pauseMsMin = 10;
const pauseMsMax = 100;

/**
 * Repeats `assertion` until it holds, at most `timeoutMs`; then fails with its last failure. It looks again after a tenth of
 * the time it has waited so far: what is quick is seen at once, and a long wait leaves the machine to what is waited for.
 */
export async function eventually<T>(assertion: () => Promise<T> | T, timeoutMs = 10_000): Promise<T> {
  const beganAt = Date.now();
  for (;;) {
    try {
      return await assertion();
    } catch (failure) {
      const waitedMs = Date.now() - beganAt;
      if (waitedMs > timeoutMs) throw failure;
      const pauseMs = Math.min(Math.max(waitedMs / 10, pauseMsMin), pauseMsMax);
      await new Promise((done) => setTimeout(done, pauseMs));
    }
  }
}
