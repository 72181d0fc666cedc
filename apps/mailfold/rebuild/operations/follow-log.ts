import type { Tier } from '../../../../projections/projection';
import { progressOf, waitUntilLevel, type Place } from '../generation-progress';
import type { Pace } from '../pace';
import type { Workplace } from '../workplace';
import type { Attendance } from './attendance';

/** What the filling of a run goes by. */
export interface FillWork {
  readonly pace: Pace;
  readonly attendance: Attendance;
  readonly signal: AbortSignal;
}

/** Waits until projectors have brought what was filled as far as what serves. */
export async function followLog(
  workplace: Workplace,
  tier: Tier,
  { follower, leader }: { readonly follower: readonly Place[]; readonly leader: readonly Place[] },
  { attendance, signal }: Pick<FillWork, 'attendance' | 'signal'>,
): Promise<void> {
  const from = (await progressOf(workplace, follower)).position ?? 0n;
  await waitUntilLevel(workplace, { follower, leader }, signal, ({ position, goal }) =>
    attendance.tell({
      phase: `tail ${tier}`,
      done: Number((position ?? from) - from),
      total: Number((goal ?? from) - from),
      what: 'positions',
      events: 0,
    }),
  );
}
