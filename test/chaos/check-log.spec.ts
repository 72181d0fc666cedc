import { checkLog, type Violation } from './check-log';
import { contentType, type Delivery, type LogDump, type LoggedEvent, type Operation } from './log/history';

// A good history, and one bad one per way to break an invariant: a checker that lets one of them pass is broken.

const [a1, a2] = ['first', 'second'].map((name) => command(`alice-${name}`, 'shared', 2));
const [b1] = [command('bob', 'shared', 1)];

interface Command {
  readonly commandId: string;
  readonly stream: string;
  readonly eventIds: readonly string[];
}

function command(commandId: string, stream: string, count: number): Command {
  return {
    commandId,
    stream,
    eventIds: Array.from({ length: count }, (_, index) => `${commandId}/${index}`),
  };
}

let operationCount = 0;

function tried(of: Command | undefined, fields: Partial<Operation>): Operation {
  if (of === undefined) throw new Error('no such command');
  const [opId, nothing] = [`op${++operationCount}`, { revision: null, position: null, reason: null }];
  return { opId, ...of, invoke: 0, complete: 10, outcome: 'info', ...nothing, ...fields };
}

/** Commands written one after the other, at positions from 1,000 on. */
function logOf(...commands: readonly (Command | undefined)[]): LoggedEvent[] {
  const revisions = new Map<string, number>();
  const events: LoggedEvent[] = [];
  for (const each of commands) {
    for (const eventId of each?.eventIds ?? []) {
      const { stream, commandId } = each ?? command('', '', 0);
      const revision = revisions.get(stream) ?? 0;
      revisions.set(stream, revision + 1);
      const type = events.length % 2 === 0 ? 'Happened' : contentType;
      events.push({ position: 1_000 + events.length, stream, revision, eventId, commandId, type });
    }
  }
  return events;
}

function dumpOf(all: readonly LoggedEvent[]): LogDump {
  const streams = new Map<string, LoggedEvent[]>();
  for (const event of all) streams.set(event.stream, [...(streams.get(event.stream) ?? []), event]);
  return { all, streams };
}

/** `a1`, then `b1`, then `a2`, each acknowledged before the next was begun. */
const goodOperations = [
  tried(a1, { invoke: 0, complete: 10, outcome: 'ok', revision: 1, position: 1_001 }),
  tried(b1, { invoke: 20, complete: 30, outcome: 'ok', revision: 2, position: 1_002 }),
  tried(a2, { invoke: 40, complete: 50, outcome: 'ok', revision: 4, position: 1_004 }),
];
const goodLog = logOf(a1, b1, a2);
const goodDump = dumpOf(goodLog);

function delivered(fields: Partial<Delivery> = {}): Delivery {
  return { subscriber: 'reader', withContent: true, events: goodLog, failure: null, ...fields };
}

/** The invariants a history breaks, each once. */
function broken(violations: readonly Violation[]): string[] {
  return [...new Set(violations.map(({ invariant }) => invariant))];
}

test('a history in which everything went well breaks nothing', () => {
  const withoutContent = goodLog.filter(({ type }) => type !== contentType);
  const deliveries = [delivered(), delivered({ withContent: false, events: withoutContent })];
  expect(checkLog(goodOperations, goodDump, deliveries)).toEqual([]);
});

test('a try of unknown outcome may be in the log or not, and a refused one is not', () => {
  const refused = command('refused', 'shared', 1);
  const unknown = command('unknown', 'own', 3);
  const operations = [...goodOperations, tried(refused, { outcome: 'fail' }), tried(unknown, {})];
  expect(checkLog(operations, goodDump)).toEqual([]);
  expect(checkLog(operations, dumpOf(logOf(a1, b1, a2, unknown)))).toEqual([]);
});

describe('I1', () => {
  it('names each acknowledged event that is not in the log', () => {
    const [violation, ...others] = checkLog(goodOperations, dumpOf(logOf(a1, b1)));
    expect(violation).toMatchObject({ invariant: 'I1', eventIds: a2?.eventIds });
    expect(others).toEqual([]);
  });

  it('sees that an acknowledged event stands at another revision than was answered', () => {
    const operations = [...goodOperations.slice(0, 2), tried(a2, { ...goodOperations[2], revision: 5 })];
    expect(broken(checkLog(operations, goodDump))).toEqual(['I1']);
  });

  it('sees that an acknowledged event stands at another position than was answered', () => {
    const operations = [...goodOperations.slice(0, 2), tried(a2, { ...goodOperations[2], position: 1_003 })];
    expect(broken(checkLog(operations, goodDump))).toEqual(['I1']);
  });
});

describe('I2', () => {
  it('sees an event that nobody appended', () => {
    expect(broken(checkLog(goodOperations.slice(0, 2), goodDump))).toEqual(['I2']);
  });

  it('sees an event that its command does not have', () => {
    const forged = logOf(a1, b1, a2, { ...command('alice-first', 'own', 1), eventIds: ['forged'] });
    expect(broken(checkLog(goodOperations, dumpOf(forged)))).toEqual(['I2']);
  });

  it('sees an event of a refused command, also when an earlier try of it has an unknown outcome', () => {
    const refused = command('refused', 'own', 1);
    const operations = [...goodOperations, tried(refused, {}), tried(refused, { outcome: 'fail' })];
    expect(broken(checkLog(operations, dumpOf(logOf(a1, b1, a2, refused))))).toEqual(['I2']);
  });

  it('sees an event in another stream than it was appended to', () => {
    const unknown = tried(command('lost-its-way', 'own', 1), {});
    const elsewhere = command('lost-its-way', 'other', 1);
    const violations = checkLog([...goodOperations, unknown], dumpOf(logOf(a1, b1, a2, elsewhere)));
    expect(broken(violations)).toEqual(['I2']);
  });
});

describe('I3', () => {
  it('sees a command that was written twice', () => {
    expect(broken(checkLog(goodOperations, dumpOf(logOf(a1, b1, a2, a1))))).toEqual(['I3']);
  });

  it('sees that a repeat was answered otherwise than the first try', () => {
    const repeat = tried(a1, { invoke: 60, complete: 70, outcome: 'ok', revision: 1, position: 1_000 });
    expect(broken(checkLog([...goodOperations, repeat], goodDump))).toContain('I3');
  });
});

describe('I4', () => {
  it('sees half of a batch whose outcome is unknown', () => {
    const torn = command('torn', 'own', 3);
    const half = { ...torn, eventIds: torn.eventIds.slice(0, 2) };
    const violations = checkLog([...goodOperations, tried(torn, {})], dumpOf(logOf(a1, b1, a2, half)));
    expect(broken(violations)).toEqual(['I4']);
  });

  it('sees a batch with events of another in between', () => {
    const [a, b] = [command('a', 'x', 2), command('b', 'y', 1)];
    const [head, tail] = [a.eventIds.slice(0, 1), a.eventIds.slice(1)];
    const mixed = logOf({ ...a, eventIds: head }, b, { ...a, eventIds: tail });
    expect(broken(checkLog([tried(a, {}), tried(b, {})], dumpOf(mixed)))).toEqual(['I4']);
  });

  it('sees a batch in the wrong order', () => {
    const a = command('a', 'x', 2);
    const reversed = logOf({ ...a, eventIds: [...a.eventIds].reverse() });
    expect(broken(checkLog([tried(a, {})], dumpOf(reversed)))).toEqual(['I4']);
  });
});

describe('I5', () => {
  const [early, late] = [command('early', 'shared', 1), command('late', 'shared', 1)];

  it('sees a command below one that was acknowledged before it was begun', () => {
    const operations = [
      tried(early, { invoke: 0, complete: 10, outcome: 'ok', revision: 1, position: 1_001 }),
      tried(late, { invoke: 20, complete: 30, outcome: 'ok', revision: 0, position: 1_000 }),
    ];
    expect(broken(checkLog(operations, dumpOf(logOf(late, early))))).toEqual(['I5']);
  });

  it('lets commands that overlap stand in either order', () => {
    const operations = [
      tried(early, { invoke: 0, complete: 25, outcome: 'ok', revision: 1, position: 1_001 }),
      tried(late, { invoke: 20, complete: 30, outcome: 'ok', revision: 0, position: 1_000 }),
    ];
    expect(checkLog(operations, dumpOf(logOf(late, early)))).toEqual([]);
  });

  it('reckons a command from its first try to its first answer', () => {
    const operations = [
      tried(early, { invoke: 0, complete: 5 }),
      tried(early, { invoke: 6, complete: 40, outcome: 'ok', revision: 1, position: 1_001 }),
      tried(early, { invoke: 90, complete: 95, outcome: 'ok', revision: 1, position: 1_001 }),
      tried(late, { invoke: 20, complete: 30, outcome: 'ok', revision: 0, position: 1_000 }),
    ];
    expect(checkLog(operations, dumpOf(logOf(late, early)))).toEqual([]);
  });
});

describe('I6', () => {
  const changed = (index: number, fields: Partial<LoggedEvent>): LoggedEvent[] =>
    goodLog.map((event, at) => (at === index ? { ...event, ...fields } : event));
  const unknown = goodOperations.map((operation) => ({ ...operation, outcome: 'info' as const }));

  it('sees a gap in the revisions of a stream', () => {
    expect(broken(checkLog(unknown, dumpOf(changed(4, { revision: 5 }))))).toContain('I6');
  });

  it('sees a position twice in $all', () => {
    expect(broken(checkLog(unknown, dumpOf(changed(3, { position: 1_002 }))))).toEqual(['I6']);
  });

  it('sees a stream that lacks what $all has, and one that has what $all lacks', () => {
    const cut = new Map([['shared', goodLog.slice(0, 4)]]);
    expect(broken(checkLog(unknown, { all: goodLog, streams: cut }))).toEqual(['I6']);
    const extra = new Map([...goodDump.streams, ['ghost', logOf(command('ghost', 'ghost', 1))]]);
    expect(broken(checkLog(unknown, { all: goodLog, streams: extra }))).toEqual(['I6']);
  });

  it('sees a stream in another order than $all', () => {
    const swapped = [goodLog[1], goodLog[0], ...goodLog.slice(2)].flatMap((event) => event ?? []);
    expect(broken(checkLog(unknown, { all: goodLog, streams: new Map([['shared', swapped]]) }))).toEqual([
      'I6',
    ]);
  });
});

describe('delivery', () => {
  const violationsOf = (fields: Partial<Delivery>): string[] =>
    broken(checkLog(goodOperations, goodDump, [delivered(fields)]));

  it('sees an event that a subscriber did not get', () => {
    expect(violationsOf({ events: goodLog.filter((_, index) => index !== 2) })).toEqual(['delivery']);
    expect(violationsOf({ events: goodLog.slice(0, -1) })).toEqual(['delivery']);
  });

  it('sees an event that a subscriber got twice', () => {
    expect(violationsOf({ events: [...goodLog, ...goodLog.slice(-1)] })).toEqual(['delivery']);
  });

  it('sees events in the wrong order', () => {
    expect(violationsOf({ events: [...goodLog].reverse() })).toEqual(['delivery']);
  });

  it('sees an event that is not in the log, as of a commit that was taken back', () => {
    expect(violationsOf({ events: [...goodLog, { eventId: 'ghost', position: 2_000 }] })).toEqual([
      'delivery',
    ]);
  });

  it('sees an event that the filter should have left out', () => {
    expect(violationsOf({ withContent: false })).toEqual(['delivery']);
  });

  it('sees a subscriber that gave up', () => {
    expect(violationsOf({ failure: 'the log has no event at position 7' })).toEqual(['delivery']);
  });
});
