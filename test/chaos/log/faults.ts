import type { Random } from '../../../apps/dev/sample-log/random';

export const faultKinds = {
  'kill-node': 'SIGKILL of the node',
  'kill-postmaster': 'SIGKILL of the postmaster',
  'kill-postgres': 'SIGKILL of all of PostgreSQL',
  'kill-everything': 'SIGKILL of PostgreSQL and the node',
  'terminate-writer': "end of the writer's session",
  'freeze-node': 'SIGSTOP of the node',
  'freeze-postgres': 'SIGSTOP of all of PostgreSQL',
} as const;

export type FaultKind = keyof typeof faultKinds;
export type FaultCounts = Readonly<Record<FaultKind, number>>;

export interface Fault {
  readonly kind: FaultKind;
  /** How long a killed process stays away, or a frozen one stays frozen. */
  readonly lastsMs: number;
  /** From the moment all write again; from the end of the fault before where {@link duringRecovery}. */
  readonly afterMs: number;
  /** Strikes PostgreSQL while an append is held up inside it, which by chance alone is rarely hit. */
  readonly midAppend: boolean;
  /** Strikes while the writers still find back from the fault before. */
  readonly duringRecovery: boolean;
}

/** 50 SIGKILLs of the node and 15 of PostgreSQL, and what else may happen to them. */
export const fullCounts: FaultCounts = {
  'kill-node': 50,
  'kill-postmaster': 8,
  'kill-postgres': 7,
  'kill-everything': 4,
  'terminate-writer': 6,
  'freeze-node': 3,
  'freeze-postgres': 3,
};

export const quickCounts: FaultCounts = {
  'kill-node': 4,
  'kill-postmaster': 1,
  'kill-postgres': 1,
  'kill-everything': 1,
  'terminate-writer': 1,
  'freeze-node': 0,
  'freeze-postgres': 1,
};

/** All of `counts`, in an order, at times and for durations that `random` draws. */
export function planFaults(counts: FaultCounts, random: Random): Fault[] {
  const kinds = Object.entries(counts).flatMap(([kind, count]) =>
    Array.from({ length: count }, () => kind as FaultKind),
  );
  return random.shuffled(kinds).map((kind) => {
    const duringRecovery = random.chance(0.2);
    return {
      kind,
      midAppend: strikesPostgres(kind) && random.chance(0.6),
      lastsMs: lastsMs(kind, random),
      afterMs: random.between(0, duringRecovery ? 300 : 1_500),
      duringRecovery,
    };
  });
}

function strikesPostgres(kind: FaultKind): boolean {
  return ['kill-postmaster', 'kill-postgres', 'kill-everything', 'terminate-writer'].includes(kind);
}

function lastsMs(kind: FaultKind, random: Random): number {
  switch (kind) {
    case 'kill-node':
    case 'kill-postmaster':
    case 'kill-postgres':
    case 'kill-everything':
      return random.between(0, 500);
    case 'freeze-node':
    case 'freeze-postgres':
      // Past the 2 s that an append may take (event-store.md §4), or just within.
      return random.between(1_000, 4_000);
    case 'terminate-writer':
      return 0;
  }
}
