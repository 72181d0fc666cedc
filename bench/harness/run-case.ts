import { cpuSeconds, machineTime } from './cpu-time';
import { measurementViolations } from './gates';
import { roundName, type Progress } from './progress';
import type { Case, Measurement, ObservedProcess, Round, Side, Target } from './row';
import { median, quantile } from './statistics';

export interface RunPlan {
  /** Run before the others, checked like them and not counted: processes that outlive a round get warm in them. */
  readonly warmUpRounds: number;
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

/** A claim needs five alternations of 3 to 5 s (performance.md, Goals). */
export const fullPlan = { warmUpRounds: 1, rounds: 5, warmUpMs: 3_000, durationMs: 4_000 };
/** Shows that a row runs and that nothing is lost. Says nothing about speed. */
export const quickPlan = { warmUpRounds: 0, rounds: 3, warmUpMs: 500, durationMs: 1_000 };

export interface SideResult {
  readonly name: string;
  /** One per round, in the row's unit. */
  readonly values: readonly number[];
  /** Median over the rounds, per process. */
  readonly cpuSecondsPer1000: Readonly<Record<string, number>>;
}

export interface CaseResult {
  /** Median of the ratios of the rounds. NaN where no round was whole. */
  readonly ratio: number;
  readonly q1: number;
  readonly q3: number;
  /** One per round: ours over the other. */
  readonly ratios: readonly number[];
  readonly target: Target;
  readonly pass: boolean;
  /** Broken gates, one line each. Any of them fails the case, whatever the ratio. */
  readonly violations: readonly string[];
  /** Of the processors' time while ours ran, what went to processes of neither side: a median from 0 to 1. */
  readonly othersShare: number;
  readonly sides: readonly [ours: SideResult, over: SideResult];
}

interface SideRound {
  readonly measurement: Measurement;
  readonly cpu: ReadonlyMap<string, number>;
  readonly othersShare: number;
  readonly violations: readonly string[];
}

/**
 * Runs both sides in turn, round by round. The first round with a broken gate is the last: what loses events has no speed.
 * Rejects where a side does, and when `signal` aborts.
 */
export async function runCase(
  { sides }: Case,
  target: Target,
  plan: RunPlan,
  progress: Progress,
  signal: AbortSignal,
): Promise<CaseResult> {
  const [ours, over] = sides;
  const rounds: (readonly [SideRound, SideRound])[] = [];
  const violations: string[] = [];
  for (let index = -plan.warmUpRounds; index < plan.rounds && violations.length === 0; index++) {
    const round = { ...plan, index, seed: plan.seed + plan.warmUpRounds + index };
    const pair = [
      await runSide(ours, round, progress, signal),
      await runSide(over, round, progress, signal),
    ] as const;
    violations.push(...pair.flatMap((side) => side.violations));
    if (index < 0) continue;
    rounds.push(pair);
    progress.ratio(ratioOf(pair));
  }
  const ratios = rounds.map(ratioOf);
  const ratio = median(ratios);
  return {
    ratio,
    q1: quantile(ratios, 0.25),
    q3: quantile(ratios, 0.75),
    ratios,
    target,
    pass: violations.length === 0 && meets(ratio, target),
    violations,
    othersShare: median(rounds.map(([first]) => first.othersShare)),
    sides: [
      sideResult(
        ours.name,
        rounds.map(([first]) => first),
      ),
      sideResult(
        over.name,
        rounds.map(([, second]) => second),
      ),
    ],
  };
}

async function runSide(
  side: Side,
  round: Round,
  progress: Progress,
  signal: AbortSignal,
): Promise<SideRound> {
  signal.throwIfAborted();
  progress.begin(side.name, round);
  try {
    await side.prepare(round);
    const processes = side.processes?.() ?? [];
    const clock = await startCpuClock(processes);
    const measurement = await side.run(round);
    const usage = await clock();
    signal.throwIfAborted();
    const wrong = [...measurementViolations(measurement), ...(await side.check(round))];
    progress.measured(measurement.value);
    return {
      measurement,
      ...usage,
      violations: wrong.map((text) => `${roundName(round)}, ${side.name}: ${text}`),
    };
  } finally {
    await side.close();
  }
}

/** Resolves to what the processes, and all others together, have used between this call and that of its result. */
async function startCpuClock(
  processes: readonly ObservedProcess[],
): Promise<() => Promise<Pick<SideRound, 'cpu' | 'othersShare'>>> {
  const before = await cpuSeconds(processes);
  const machineBefore = await machineTime();
  return async () => {
    const machineAfter = await machineTime();
    const after = await cpuSeconds(processes);
    const cpu = new Map([...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)]));
    const own = [...cpu.values()].reduce((sum, seconds) => sum + seconds, 0);
    const others = machineAfter.busySeconds - machineBefore.busySeconds - own;
    const available = machineAfter.totalSeconds - machineBefore.totalSeconds;
    return { cpu, othersShare: available === 0 ? 0 : Math.max(0, others / available) };
  };
}

function ratioOf([ours, over]: readonly [SideRound, SideRound]): number {
  return ours.measurement.value / over.measurement.value;
}

/** Nothing measured meets no target. */
export function meets(ratio: number, target: Target): boolean {
  if ('atLeast' in target) return ratio >= target.atLeast;
  return 'atMost' in target ? ratio <= target.atMost : Math.abs(ratio - 1) <= target.within;
}

function sideResult(name: string, rounds: readonly SideRound[]): SideResult {
  const names = new Set(rounds.flatMap(({ cpu }) => [...cpu.keys()]));
  const perThousand = (process: string): number =>
    median(rounds.map(({ cpu, measurement }) => (1_000 * (cpu.get(process) ?? 0)) / measurement.eventCount));
  return {
    name,
    values: rounds.map(({ measurement }) => measurement.value),
    cpuSecondsPer1000: Object.fromEntries([...names].map((process) => [process, perThousand(process)])),
  };
}
