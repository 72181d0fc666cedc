import { setTimeout as delay } from 'node:timers/promises';
import { Rate } from '../../progress';
import type { Pace } from '../pace';
import { RunRefused } from '../run-states';
import { PhaseClock, secondsLeftInAll } from '../phase-clock';
import type { Run, RunProgress, Runs } from '../runs';

const intervalMs = 500;
/** Of a bulk load; until it says so, tables are being made. */
const firstPhase = 'prepare';

/** What a phase tells of itself. */
export interface PhaseFigures {
  readonly phase: string;
  readonly done: number;
  readonly total: number;
  readonly what: string;
  readonly events: number;
}

/**
 * Stands between the process that works on a run and the operators elsewhere: tells them how far it is, and does to the pace
 * what they wish. One statement every half second.
 */
export class Attendance {
  private readonly ended = new AbortController();
  private readonly loop: Promise<void>;
  private progress: RunProgress | null = null;
  private rate = new Rate();
  private slowed: string | undefined;
  private readonly clock: PhaseClock;
  private readonly run: number;

  constructor(
    private readonly runs: Runs,
    private readonly begun: Run,
    private readonly pace: Pace,
    private readonly hooks: {
      readonly onProgress: (progress: RunProgress) => void;
      /** The run was taken away from this process, by a discard. */
      readonly onTakenAway: (reason: RunRefused) => void;
    },
  ) {
    this.run = begun.run;
    this.clock = new PhaseClock(begun.progress?.took ?? [], firstPhase);
    this.loop = this.attend();
  }

  /** Events per second of the present phase, over the last seconds. */
  get eventsPerSecond(): number {
    return this.progress?.perSecond ?? 0;
  }

  tell(figures: PhaseFigures): void {
    if (figures.phase !== this.progress?.phase) {
      this.rate = new Rate();
      this.clock.begin(figures.phase);
    }
    this.rate.add(figures.done, figures.events);
    this.pace.counted(figures.events);
    const secondsLeft = this.rate.secondsLeft(figures.done, figures.total);
    const took = this.clock.seconds();
    const planned = this.begun.plan.estimate?.phases ?? [];
    this.progress = {
      ...{ ...figures, secondsLeft, took },
      perSecond: this.rate.perSecond(),
      secondsLeftInAll: secondsLeftInAll(planned, { phase: figures.phase, secondsLeft, took }),
      ...(this.slowed === undefined ? {} : { slowed: this.slowed }),
    };
    this.hooks.onProgress(this.progress);
  }

  /** Undefined: it goes as fast as it can. */
  tellSlowed(reason: string | undefined): void {
    this.slowed = reason;
  }

  async end(): Promise<void> {
    this.ended.abort();
    await this.loop;
    await this.runs.attend(this.run, this.latest()).catch(() => undefined);
  }

  private latest(): RunProgress | null {
    return this.progress && { ...this.progress, took: this.clock.seconds() };
  }

  private async attend(): Promise<void> {
    const { signal } = this.ended;
    while (!signal.aborted) {
      try {
        await this.obey();
      } catch (error) {
        // A database that is away for a moment is no reason to stop; the lock tells when it is gone for good.
        if (error instanceof RunRefused) this.hooks.onTakenAway(error);
      }
      await delay(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }

  private async obey(): Promise<void> {
    const { runs, run, pace } = this;
    const { state, wish, eventsPerSecondMax } = await runs.attend(run, this.latest());
    pace.bound({ operator: eventsPerSecondMax });
    pace.pause(wish === 'pause');
    this.clock.pause(wish === 'pause');
    if (state === 'running' && wish === 'pause') await runs.step(run, 'pause', 'paused');
    else if (state === 'paused' && wish === 'run') await runs.step(run, 'goOn', 'running');
    else if (state === 'discarded')
      throw new RunRefused(`run ${run} was discarded while it ran`, run, ['status']);
  }
}
