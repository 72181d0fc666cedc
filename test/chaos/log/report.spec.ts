import type { Violation } from '../check-log';
import type { LoggedEvent, Operation } from './history';
import { held, reportLines, reportOf, selfTestLines, type LogReport } from './report';
import type { LogRun } from './run-log';

const event: LoggedEvent = {
  ...{ position: 7, stream: 'shared', revision: 0, eventId: 'kept', commandId: 'command', type: 'Happened' },
};
const operation: Operation = {
  ...{
    opId: 'op',
    commandId: 'command',
    stream: 'shared',
    eventIds: ['kept', 'gone'],
    invoke: 0,
    complete: 9,
  },
  ...{ outcome: 'ok', revision: 1, position: 8, reason: null },
};
const good: LogRun = {
  operations: [operation, { ...operation, outcome: 'info', reason: 'OutcomeUnknown' }],
  dump: { all: [event], streams: new Map([['shared', [event]]]) },
  deliveries: [],
  struck: [
    { kind: 'kill-node', recoveredAfterMs: 300 },
    { kind: 'kill-node', recoveredAfterMs: null },
    { kind: 'kill-node', recoveredAfterMs: 900 },
    { kind: 'kill-node', recoveredAfterMs: 500 },
  ],
  violations: [],
  strayRejections: 0,
  failure: null,
};
const loss: Violation = { invariant: 'I1', message: 'half of it is gone', eventIds: ['gone'] };

const report = (changes: Partial<LogRun> = {}): LogReport =>
  reportOf({ ...good, ...changes }, { seed: 5, form: 'quick', durationSeconds: 61, interrupted: false });

test('a run without violations passes, and its figures are there', () => {
  expect(report()).toMatchObject({
    ...{ operations: { ok: 1, fail: 0, info: 1 }, reasons: { OutcomeUnknown: 1 }, commands: 1, events: 1 },
    ...{ lostEvents: 0, duplicateEvents: 0 },
  });
  expect(report().faults[0]).toEqual({
    ...{ kind: 'kill-node', struck: 4, recoveredAfterMs: { median: 500, max: 900 } },
  });
  expect(held(report())).toBe(true);
});

test('a violation fails the run, and people are told which events it is about', () => {
  const broken = report({ violations: [loss] });
  expect(held(broken)).toBe(false);
  expect(broken.lostEvents).toBe(1);
  const text = reportLines(broken).join('\n');
  expect(text).toMatch(/I1 +BROKEN 1 time/);
  expect(text).toContain('half of it is gone (gone)');
  expect(text).toMatch(/I2 +holds/);
});

test('a system that did not come back fails the run', () => {
  const broken = report({ failure: 'the node ended by itself with 1' });
  expect(held(broken)).toBe(false);
  expect(reportLines(broken)).toContain('failed: the node ended by itself with 1');
});

test('a rejection that nobody handled fails the run', () => {
  const broken = report({ strayRejections: 1 });
  expect(held(broken)).toBe(false);
  expect(reportLines(broken)).toContain('unhandled   1 rejection in the writers');
});

test('a run that was interrupted need not have written anything, but may not have lost anything', () => {
  const interrupted = { ...report({ operations: [] }), interrupted: true };
  expect(held(interrupted)).toBe(true);
  expect(held({ ...interrupted, failure: 'a writing process ended with 1' })).toBe(false);
});

test('a run in which nothing was written proves nothing', () => {
  expect(held(report({ operations: [], dump: { all: [], streams: new Map() } }))).toBe(false);
});

test('a self-test that sees no loss says that the harness is broken', () => {
  const nothing = { rounds: 10, acknowledgedEvents: 900, lostEventIds: [] };
  expect(selfTestLines(nothing).join()).toContain('NO loss was reported in 10 rounds');
  expect(selfTestLines({ ...nothing, lostEventIds: ['gone'] }).join()).toContain('lost and reported');
});
