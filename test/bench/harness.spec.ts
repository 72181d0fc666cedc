import { setTimeout as delay } from 'node:timers/promises';
import { measurementViolations, p99SamplesMin } from '../../bench/harness/gates';
import { closedLoop, openLoop } from '../../bench/harness/pace';
import type { Case, Measurement, Round, Side } from '../../bench/harness/row';
import { meets, runCase, type CaseResult } from '../../bench/harness/run-case';
import { runRow } from '../../bench/harness/run-row';
import { quantile } from '../../bench/harness/statistics';
import { Acknowledgements, violationsOfAll, type ReadBackEvent } from '../../bench/load/acknowledgements';
import { Workload, type PlannedAppend, type WorkloadOptions } from '../../bench/load/workload';

const plan = { warmUpRounds: 0, rounds: 5, warmUpMs: 0, durationMs: 1, seed: 7 };
const alone: WorkloadOptions['part'] = { index: 0, of: 1 };
const silent = { begin: () => undefined, measured: () => undefined, ratio: () => undefined };
const running = new AbortController().signal;

/** A side that reaches the next of `values` in each round, and writes down what is asked of it. */
function side(name: string, values: readonly number[], rest: Partial<Side> = {}, calls: string[] = []): Side {
  let measured = 0;
  const called =
    (method: string) =>
    async ({ index }: Round): Promise<void> =>
      void calls.push(`${name} ${method} ${index}`);
  return {
    name,
    prepare: called('prepare'),
    run: async (round) => {
      await called('run')(round);
      const value = values[measured++ % values.length] ?? 0;
      return { value, eventCount: value };
    },
    check: async (round) => {
      await called('check')(round);
      return [];
    },
    close: async () => void calls.push(`${name} close`),
    ...rest,
  };
}

function run(ours: Side, over: Side, atLeast = 1): Promise<CaseResult> {
  return runCase({ sides: [ours, over] }, { atLeast }, plan, silent, running);
}

describe('a case', () => {
  it('is the median of the ratios of its rounds, not the ratio of medians', async () => {
    // The machine slows down by the round; each pair of neighbours still says what is true.
    const result = await run(side('ours', [300, 220, 90, 40, 44]), side('over', [100, 110, 30, 20, 20]));
    expect(result.ratios).toEqual([3, 2, 3, 2, 2.2]);
    expect(result.ratio).toBe(2.2);
    expect([result.q1, result.q3]).toEqual([2, 3]);
    expect(result.pass).toBe(true);
  });

  it('takes sides in turn, each prepared, run, checked and closed before the other', async () => {
    const calls: string[] = [];
    await runCase(
      { sides: [side('a', [1], {}, calls), side('b', [1], {}, calls)] },
      { atLeast: 1 },
      { ...plan, rounds: 2 },
      silent,
      running,
    );
    const turn = (name: string, index: number): string[] =>
      ['prepare', 'run', 'check'].map((method) => `${name} ${method} ${index}`).concat(`${name} close`);
    expect(calls).toEqual([...turn('a', 0), ...turn('b', 0), ...turn('a', 1), ...turn('b', 1)]);
  });

  it('gives both sides of a round the same seed, and each round another', async () => {
    const seeds: number[] = [];
    const seeing = (name: string): Side =>
      side(name, [1], { prepare: async ({ seed }) => void seeds.push(seed) });
    await run(seeing('a'), seeing('b'));
    expect(seeds).toEqual([7, 7, 8, 8, 9, 9, 10, 10, 11, 11]);
  });

  it('does not count warm-up rounds', async () => {
    const sides = [side('ours', [1, 20, 20]), side('over', [100, 10, 10])] as const;
    const result = await runCase(
      { sides },
      { atLeast: 2 },
      { ...plan, warmUpRounds: 1, rounds: 2 },
      silent,
      running,
    );
    expect(result.ratios).toEqual([2, 2]);
  });

  it('fails below a goal of at least, and above one of at most', async () => {
    expect((await run(side('ours', [99]), side('over', [100]))).pass).toBe(false);
    expect([meets(0.7, { atMost: 0.75 }), meets(0.8, { atMost: 0.75 })]).toEqual([true, false]);
    expect([meets(Number.NaN, { atLeast: 0 }), meets(Number.NaN, { atMost: 9 })]).toEqual([false, false]);
  });

  it('fails however fast it is when a check finds something wrong, and does not go on', async () => {
    const result = await run(
      side('ours', [1_000], { check: async ({ index }) => (index === 1 ? ['2 events lost'] : []) }),
      side('over', [1]),
    );
    expect(result.violations).toEqual(['round 2, ours: 2 events lost']);
    expect(result.ratios).toHaveLength(2);
    expect(result.pass).toBe(false);
  });

  it('fails when nothing was done', async () => {
    const result = await run(side('ours', [0]), side('over', [1]));
    expect(result.violations).toEqual(['round 1, ours: measured 0: nothing was done']);
  });

  it('closes a side whose run throws', async () => {
    const calls: string[] = [];
    const broken = side('ours', [1], { run: () => Promise.reject(new Error('no answer')) }, calls);
    await expect(run(broken, side('over', [1]))).rejects.toThrow('no answer');
    expect(calls).toEqual(['ours prepare 0', 'ours close']);
  });

  it('ends at an interruption, with everything the row has opened closed in reverse order', async () => {
    const interruption = new AbortController();
    const closed: string[] = [];
    const interrupting = side('ours', [1], {
      run: async () => {
        interruption.abort(new Error('Ctrl-C'));
        return { value: 1, eventCount: 1 };
      },
      close: async () => void closed.push('side'),
    });
    const open = async (context: { onClose(close: () => unknown): void }): Promise<readonly Case[]> => {
      context.onClose(() => closed.push('server'));
      context.onClose(() => closed.push('helper'));
      return [{ sides: [interrupting, side('over', [1])] }];
    };
    const row = { name: 'r', ours: 'a', over: 'b', unit: 'events/s', target: { atLeast: 1 }, open };
    const onCase = jest.fn();
    await expect(
      runRow(row, { plan, quick: true, signal: interruption.signal, notice: () => undefined, onCase }),
    ).rejects.toThrow('Ctrl-C');
    expect(closed).toEqual(['side', 'helper', 'server']);
    expect(onCase).not.toHaveBeenCalled();
  });
});

describe('the gates of a measurement', () => {
  const measured: Measurement = { value: 1, eventCount: 1 };
  const withLag = (events: readonly number[]): Measurement => ({
    ...measured,
    lag: { events, eventsPerSecond: 1_000, intervalMs: 50 },
  });
  const samples = Array.from({ length: 80 }, (_, index) => index);

  it('refuses a p99 that stands on too few samples', () => {
    const latencies = { samples: p99SamplesMin, p50Ms: 1, p99Ms: 2 };
    expect(measurementViolations({ ...measured, latencies })).toEqual([]);
    expect(measurementViolations({ ...measured, latencies: { ...latencies, samples: 999 } })).toHaveLength(1);
  });

  it('refuses lag that grows over the last half', () => {
    // 5 % slower than production: 2.5 events more at each sample.
    expect(measurementViolations(withLag(samples.map((index) => 10 + 2.5 * index)))).toEqual([
      'lag grows over the last half: from 134 to 184 events at 1000 events/s',
    ]);
  });

  it('accepts lag that is high, wavers, has grown early, or jumps once', () => {
    expect(measurementViolations(withLag(samples.map(() => 5_000)))).toEqual([]);
    expect(measurementViolations(withLag(samples.map((index) => 100 + 90 * Math.sin(index))))).toEqual([]);
    expect(measurementViolations(withLag(samples.map((index) => Math.min(index, 20) * 30)))).toEqual([]);
    expect(measurementViolations(withLag(samples.map((index) => (index === 75 ? 9_000 : 10))))).toEqual([]);
  });

  it('refuses lag with too few samples to judge by', () => {
    expect(measurementViolations(withLag([1, 2, 3]))).toHaveLength(1);
  });
});

describe('the comparison of a log with what was acknowledged', () => {
  const workload = (part = alone): Workload =>
    new Workload({ seed: 3, eventsPerAppend: 2, appendsPerStream: 3, part });

  function acknowledged(appends: readonly PlannedAppend[]): Acknowledgements {
    const acknowledgements = new Acknowledgements(workload().payloads);
    for (const append of appends) acknowledgements.add(append);
    return acknowledgements;
  }
  function logOf(appends: readonly PlannedAppend[]): ReadBackEvent[] {
    return appends
      .flatMap(({ streamName, expected, events }) =>
        events.map(({ id, data }, index) => ({ streamName, revision: expected + 1 + index, id, data })),
      )
      .map((event, index) => ({ ...event, position: BigInt(index) }));
  }
  async function* read(events: readonly ReadBackEvent[]): AsyncGenerator<ReadBackEvent> {
    yield* events;
  }
  const planned = ((): PlannedAppend[] => {
    const source = workload();
    return [0, 1, 0, 1, 0, 1, 0].map((worker) => source.next(worker));
  })();
  const violations = async (change: (events: ReadBackEvent[]) => ReadBackEvent[]): Promise<string[]> =>
    violationsOfAll([await acknowledged(planned).compare(read(change(logOf(planned))))]);

  it('finds nothing in a log that is right', async () => {
    expect(await violations((events) => events)).toEqual([]);
  });

  it.each<[string, (events: ReadBackEvent[]) => ReadBackEvent[]]>([
    ['the first event lost', (events) => events.slice(1)],
    ['the last event lost', (events) => events.slice(0, -1)],
    [
      'an event twice',
      (events) => events.concat(events.slice(0, 1).map((event) => ({ ...event, position: 99n }))),
    ],
    [
      'two events of a stream swapped',
      ([first, second, ...rest]) => [second, first, ...rest].flatMap((e) => e ?? []),
    ],
    [
      'streams in another order than their positions',
      (events) => [...events.slice(2, 4), ...events.slice(0, 2), ...events.slice(4)],
    ],
    [
      'an event nobody wrote',
      (events) => events.concat({ streamName: 'other-1', revision: 0, position: 99n, id: 'x' }),
    ],
    ['another id', (events) => events.map((event, index) => (index === 4 ? { ...event, id: 'x' } : event))],
    [
      'another content',
      (events) =>
        events.map((event, index) =>
          index === 4 ? { ...event, data: { ...event.data, preview: 'cut' } } : event,
        ),
    ],
    ['an empty log', () => []],
  ])('finds %s', async (_what, change) => {
    expect(await violations(change)).not.toEqual([]);
  });

  it('leaves streams of others alone where the server is shared', async () => {
    const foreign = { streamName: 'other-1', revision: 5, position: 99n, id: 'x' };
    const comparison = await acknowledged(planned).compare(read([...logOf(planned), foreign]));
    expect(comparison).toMatchObject({ violations: [], ownEvents: 14, foreignEvents: 1 });
  });

  it('tells what another writer wrote from what nobody wrote', async () => {
    const part = (index: number): PlannedAppend[] => {
      const source = workload({ index, of: 2 });
      return [source.next(0), source.next(0)];
    };
    const parts = [part(0), part(1)] as const;
    const both = (events: ReadBackEvent[]): Promise<string[]> =>
      Promise.all(parts.map((each) => acknowledged(each).compare(read(events)))).then(violationsOfAll);
    const log = logOf(parts.flat());
    expect(await both(log)).toEqual([]);
    expect(await both([...log, { streamName: 'other-1', revision: 0, position: 99n, id: 'x' }])).toEqual([
      'the log holds 1 events that nobody wrote',
      'the log holds 1 events that nobody wrote',
    ]);
  });
});

describe('a workload', () => {
  it('is the same for the same seed and another for another', () => {
    const first = (seed: number): PlannedAppend =>
      new Workload({ seed, eventsPerAppend: 3, appendsPerStream: 2, part: alone }).next(0);
    expect(first(1)).toEqual(first(1));
    expect(first(1).streamName).not.toBe(first(2).streamName);
  });

  it('creates a stream with every nth append of a worker and extends it at exact revisions between', () => {
    const workload = new Workload({ seed: 1, eventsPerAppend: 5, appendsPerStream: 3, part: alone });
    const appends = Array.from({ length: 6 }, () => workload.next(0));
    expect(appends.map(({ expected }) => expected)).toEqual([-1, 4, 9, -1, 4, 9]);
    expect(new Set(appends.map(({ streamName }) => streamName)).size).toBe(2);
  });

  it('has events of about 1,000 bytes', () => {
    const workload = new Workload({ seed: 1, eventsPerAppend: 1, appendsPerStream: 1, part: alone });
    const [event] = workload.next(0).events;
    expect(JSON.stringify(event?.data)).toHaveLength(1_000);
  });

  it('extends stored streams with every second stream, until there are none left', () => {
    const stored = { seed: 1, streamCount: 1, eventsPerStream: 4 };
    const workload = new Workload({ seed: 1, eventsPerAppend: 1, appendsPerStream: 1, part: alone, stored });
    expect([0, 0, 0, 0].map((worker) => workload.next(worker).expected)).toEqual([-1, 3, -1, -1]);
  });
});

describe('a closed loop', () => {
  it('keeps exactly so many operations in flight, and counts what they say', async () => {
    let inFlight = 0;
    let most = 0;
    let operations = 0;
    const { total, perSecond } = await closedLoop(8, { warmUpMs: 10, durationMs: 60 }, async () => {
      inFlight += 1;
      operations += 1;
      most = Math.max(most, inFlight);
      // The operation itself: the bound below is made of its length.
      await delay(2);
      inFlight -= 1;
      return 3;
    });
    expect([most, inFlight]).toEqual([8, 0]);
    expect(total).toBe(3 * operations);
    // No timer fires early, so 8 at a time, 2 ms each, 3 events each, is a bound whatever the machine.
    expect(perSecond).toBeGreaterThan(0);
    expect(perSecond).toBeLessThan((1.5 * 8 * 3 * 1_000) / 2);
  });

  it('measures operations that take longer than the window', async () => {
    const { perSecond } = await closedLoop(2, { warmUpMs: 1, durationMs: 1 }, () => delay(30, 1));
    expect(perSecond).toBeGreaterThan(0);
  });

  it('fails with the first failure, after the others have ended', async () => {
    let ended = 0;
    const loop = closedLoop(4, { warmUpMs: 0, durationMs: 10_000 }, async (worker) => {
      await delay(worker === 0 ? 1 : 20);
      if (worker === 0) throw new Error('refused');
      ended += 1;
      return 1;
    });
    await expect(loop).rejects.toThrow('refused');
    expect(ended).toBe(3);
  });
});

describe('an open loop', () => {
  it('charges a stall to all who would have come meanwhile', async () => {
    const stallMs = 200;
    let stalledUntil = Infinity;
    const operation = async (index: number): Promise<void> => {
      if (index === 20) stalledUntil = performance.now() + stallMs;
      if (index >= 20) await delay(Math.max(0, stalledUntil - performance.now()));
    };
    const { latencies, total } = await openLoop(500, { warmUpMs: 20, durationMs: 380 }, operation);
    expect(total).toBe(200);
    expect(latencies.samples).toBe(190);
    // A hundred calls are due within the stall; one after the other, a single one would have been slow.
    expect(latencies.p99Ms).toBeGreaterThan(stallMs * 0.9);
  });

  it('fails with the first failure', async () => {
    const loop = openLoop(1_000, { warmUpMs: 0, durationMs: 20 }, async (index) => {
      if (index === 3) throw new Error('refused');
    });
    await expect(loop).rejects.toThrow('refused');
  });
});

describe('a quantile', () => {
  it('lies between its neighbours', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3, 4, 5], 0.25)).toBe(2);
    expect(quantile([], 0.5)).toBeNaN();
  });
});
