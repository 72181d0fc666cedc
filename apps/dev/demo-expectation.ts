import { isDeepStrictEqual } from 'node:util';

/** An answer was not the one the demo expects. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer';

  constructor(what: string, expected: unknown, got: unknown) {
    super(`${what}\n  expected  ${JSON.stringify(expected)}\n  got       ${JSON.stringify(got)}`);
  }
}

/** Throws {@link UnexpectedAnswer} unless both are alike in value, whatever their nesting. */
export function expectEqual(what: string, got: unknown, expected: unknown): void {
  if (!isDeepStrictEqual(got, expected)) throw new UnexpectedAnswer(what, expected, got);
}
