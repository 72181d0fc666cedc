/** How far a rebuild or re-partition has come. Stored; never rename one. */
export const runStates = [
  'planned',
  'running',
  'paused',
  'stopped',
  'loaded',
  'verified',
  'refuted',
  'partial',
  'serving',
  'rolled-back',
  'done',
  'discarded',
] as const;

export type RunState = (typeof runStates)[number];

/** What may be done to a run, the states it may be done in, and the states it can end in. */
export const steps = {
  start: { from: ['planned', 'running', 'paused', 'stopped'], to: ['running'] },
  pause: { from: ['running'], to: ['paused'] },
  goOn: { from: ['paused'], to: ['running'] },
  stop: { from: ['running', 'paused'], to: ['stopped'] },
  load: { from: ['running'], to: ['loaded'] },
  finish: { from: ['running'], to: ['done'] },
  verify: { from: ['loaded', 'verified', 'refuted', 'rolled-back'], to: ['verified', 'refuted'] },
  cutOver: { from: ['verified', 'partial'], to: ['partial', 'serving'] },
  cutOverByForce: {
    from: ['loaded', 'verified', 'refuted', 'rolled-back', 'partial'],
    to: ['partial', 'serving'],
  },
  rollBack: { from: ['partial', 'serving'], to: ['rolled-back'] },
  retire: { from: ['serving'], to: ['done'] },
  discard: {
    from: ['planned', 'running', 'paused', 'stopped', 'loaded', 'verified', 'refuted', 'rolled-back'],
    to: ['discarded'],
  },
} as const satisfies Record<string, { from: readonly RunState[]; to: readonly RunState[] }>;

export type Step = keyof typeof steps;

/** What a person calls a step, in the words `it cannot be …`. */
const namesOfSteps: Record<Step, string> = {
  start: 'run',
  pause: 'paused',
  goOn: 'resumed',
  stop: 'stopped',
  load: 'loaded',
  finish: 'finished',
  verify: 'verified',
  cutOver: 'cut over',
  cutOverByForce: 'cut over',
  rollBack: 'rolled back',
  retire: 'retired',
  discard: 'discarded',
};

const states: Record<RunState, { readonly meaning: string; readonly next: readonly string[] }> = {
  planned: { meaning: 'nothing is made yet', next: ['run', 'discard'] },
  running: { meaning: 'its generation is being filled', next: ['status', 'pause'] },
  paused: { meaning: 'it waits to be resumed', next: ['resume', 'discard'] },
  stopped: { meaning: 'it can go on where it stopped', next: ['resume', 'discard'] },
  loaded: { meaning: 'its generation is full and follows the log', next: ['verify', 'discard'] },
  verified: { meaning: 'its certificate holds', next: ['cutover', 'verify', 'discard'] },
  refuted: { meaning: 'its certificate names what is wrong', next: ['verify', 'discard'] },
  partial: { meaning: 'a part of it serves', next: ['cutover', 'rollback'] },
  serving: { meaning: 'it serves, and the way back is kept', next: ['retire', 'rollback'] },
  'rolled-back': { meaning: 'what was before serves again', next: ['verify', 'discard'] },
  done: { meaning: 'nothing is left to do', next: [] },
  discarded: { meaning: 'what it had made is dropped', next: [] },
};

export function meaningOf(state: RunState): string {
  return states[state].meaning;
}

/** The commands that make sense in a state, the most likely one first. */
export function nextCommands(state: RunState): readonly string[] {
  return states[state].next;
}

/** Whether `run` brings it on to `loaded`; in the other states there is nothing for that to do. */
export function isFillable(state: RunState): boolean {
  const from: readonly RunState[] = steps.start.from;
  return from.includes(state);
}

/** A command as it is typed. */
export function commandLine(kind: 'rebuild' | 'repartition', command: string, run: number | null): string {
  if (run === null) return `mailfold ${kind} ${command}`;
  return command === 'run'
    ? `mailfold ${kind} run --plan ${run}`
    : command === 'plan'
      ? `mailfold ${kind} plan`
      : `mailfold ${kind} ${command} ${run}`;
}

/** A step that the present state, or something else, forbids. The message is one line; `next` are commands to go on with. */
export class RunRefused extends Error {
  override readonly name = 'RunRefused';

  constructor(
    message: string,
    readonly run: number | null,
    readonly next: readonly string[] = [],
  ) {
    super(message);
  }
}

/** Throws {@link RunRefused} with the reason and the next sensible commands. */
export function refuseIllegal(step: Step, run: number, state: RunState): void {
  const from: readonly RunState[] = steps[step].from;
  if (from.includes(state)) return;
  throw new RunRefused(
    `run ${run} cannot be ${namesOfSteps[step]}: it is ${state} (${meaningOf(state)})`,
    run,
    nextCommands(state),
  );
}
