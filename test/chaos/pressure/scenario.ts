import { startTestNode, type TestNode } from '../../support/event-store-node';

/** One thing a scenario has found out, with what was measured and what was allowed. */
export interface Finding {
  readonly what: string;
  readonly measured: string;
  readonly allowed: string;
  readonly holds: boolean;
}

/** `quick` is the short form that runs with every build; `full` has the sizes that are claimed. */
export type Size = 'quick' | 'full';

export interface PressureRun {
  readonly size: Size;
  /** Shows a line of progress to people. */
  readonly tell: (line: string) => void;
  /** Aborted by Ctrl-C. The scenario then rejects at its next step. */
  readonly signal: AbortSignal;
}

export interface PressureScenario {
  readonly name: string;
  /** Why it cannot run here, or null. */
  readonly impossible: () => string | null;
  /** Starts what it needs and stops it again, also when it rejects. */
  readonly run: (options: PressureRun) => Promise<Finding[]>;
}

/** A scenario with an embedded node of its own, whose memory it reads. */
export function nodeScenario(
  name: string,
  run: (node: TestNode, options: PressureRun) => Promise<Finding[]>,
): PressureScenario {
  return {
    name,
    impossible: () => (process.platform === 'linux' ? null : 'memory is read from /proc'),
    run: async (options) => {
      const node = await startTestNode();
      try {
        return await run(node, options);
      } finally {
        await node.stop();
      }
    },
  };
}

export function atMost(what: string, value: number, limit: number, unit: string): Finding {
  return { what, measured: `${round(value)} ${unit}`, allowed: `≤ ${limit} ${unit}`, holds: value <= limit };
}

export function atLeast(what: string, value: number, limit: number, unit: string): Finding {
  return { what, measured: `${round(value)} ${unit}`, allowed: `≥ ${limit} ${unit}`, holds: value >= limit };
}

export function exactly(what: string, value: number, wanted: number): Finding {
  return { what, measured: String(value), allowed: String(wanted), holds: value === wanted };
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
