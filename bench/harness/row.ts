/**
 * A row's goal for its ratio: throughput wants at least so much of the other side's, latency at most; a forecast is to be
 * `within` so much of 1, above or below.
 */
export type Target = { readonly atLeast: number } | { readonly atMost: number } | { readonly within: number };

/**
 * A comparison this project makes a claim about: what is ours, over what somebody else does, as a ratio. Both sides run in
 * turn on one machine, so the ratio holds where the absolute figures do not.
 */
export interface Row {
  readonly name: string;
  /** What the numerator and the denominator measure, for the table. */
  readonly ours: string;
  readonly over: string;
  /** Of both sides' values, such as `events/s`. */
  readonly unit: string;
  readonly target: Target;
  /** Starts what both sides stand on; `context.onClose` registers how it ends. Most rows have one case. */
  open(context: RowContext): Promise<readonly Case[]>;
}

/** Two sides measured in turn, round after round: one line of the table. */
export interface Case {
  /** Where a row has several. */
  readonly name?: string;
  /** Where it differs from the row's. */
  readonly target?: Target;
  readonly sides: readonly [ours: Side, over: Side];
}

export interface RowContext {
  readonly seed: number;
  readonly quick: boolean;
  /** How long a log is to be, for rows whose length can be chosen. */
  readonly events?: number;
  /** The other server, for rows that run against one by URL. */
  readonly url?: string;
  readonly signal: AbortSignal;
  /** Closers run in reverse order at the end of the row, however it ends. */
  onClose(close: () => unknown): void;
  /** A line on stderr about something that takes long. */
  notice(text: string): void;
}

export interface Round {
  /** From 0; negative for a warm-up round. */
  readonly index: number;
  /** Equal for both sides of a round, so that both get the same load. */
  readonly seed: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** Called once each per round, in the order of the methods; `close` whatever happened before. */
export interface Side {
  readonly name: string;
  /** A fresh state: empty tables, a CHECKPOINT, new processes. Not timed. */
  prepare(round: Round): Promise<void>;
  /** Warms up, then measures. */
  run(round: Round): Promise<Measurement>;
  /** What the run got wrong, one line each: lost, doubled or reordered events, wrong rows. */
  check(round: Round): Promise<readonly string[]>;
  /** Ends what {@link prepare} began. */
  close(): Promise<void>;
  /** Whose CPU time is told beside the value. */
  processes?(): readonly ObservedProcess[];
}

export interface ObservedProcess {
  readonly name: string;
  readonly pid: number;
  /** Its children count as well, as a PostgreSQL server's do. */
  readonly withChildren?: boolean;
}

export interface Measurement {
  /** In the row's unit, over the measured time. */
  readonly value: number;
  /** All that was done, warm-up included: what the CPU time is divided by. */
  readonly eventCount: number;
  /** For rows about latency. Fails the row where a p99 stands on too few samples. */
  readonly latencies?: LatencySummary;
  /** Where something is consumed while it is produced, sampled at even intervals. Fails the row where it grows. */
  readonly lag?: LagSeries;
}

export interface LatencySummary {
  readonly samples: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface LagSeries {
  /** Produced and not yet visible, in events. */
  readonly events: readonly number[];
  /** Of production, for the whole series. */
  readonly eventsPerSecond: number;
  readonly intervalMs: number;
}
