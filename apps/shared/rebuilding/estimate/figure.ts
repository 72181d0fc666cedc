/** A figure with the bounds it is expected to lie within, as far as the sample lets one say. */
export interface Figure {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export const zero: Figure = { value: 0, low: 0, high: 0 };

/** `error` is relative: 0.1 is ten per cent either way. */
export function figure(value: number, error: number): Figure {
  return { value, low: value * Math.max(0, 1 - error), high: value * (1 + error) };
}

/** Errors of parts that were measured in one go err the same way, so bounds add up as well. */
export function sum(figures: readonly Figure[]): Figure {
  return figures.reduce(
    (all, { value, low, high }) => ({ value: all.value + value, low: all.low + low, high: all.high + high }),
    zero,
  );
}
