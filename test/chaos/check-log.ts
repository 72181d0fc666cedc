import { contentType, type Delivery, type LogDump, type LoggedEvent, type Operation } from './log/history';

/** The invariants of reliability.md A2 that speak of the log, and the half of I6 that speaks of live subscribers. */
export const logInvariants = {
  I1: 'every acknowledged event is there, at the revision and position answered',
  I2: 'nothing is there that nobody appended, nothing of a refused command',
  I3: 'one effect and one answer per command, however often it was tried',
  I4: 'the events of a command are all there, side by side, or none is',
  I5: 'of two commands on a stream, one after the other, the first has the lower revision',
  I6: 'revisions without gap, positions rising, $all and the streams alike',
  delivery: 'each live subscriber got each event it asked for once, in order',
} as const;

export type LogInvariant = keyof typeof logInvariants;

export interface Violation {
  readonly invariant: LogInvariant;
  readonly message: string;
  /** The events it is about. */
  readonly eventIds: readonly string[];
}

/**
 * Compares what clients saw with what the log holds. The log is its own witness of the order in which commands took effect,
 * so no search for one is needed: every check is one pass over sorted data.
 */
export function checkLog(
  operations: readonly Operation[],
  dump: LogDump,
  deliveries: readonly Delivery[] = [],
): Violation[] {
  const commands = commandsOf(operations);
  const log = indexLog(dump.all);
  return [
    ...checkDurability(operations, log),
    ...checkNothingInvented(commands, dump.all),
    ...checkOneEffect(commands, log),
    ...checkAtomicity(commands, log),
    ...checkRealTimeOrder(commands, log),
    ...checkOrder(dump),
    ...deliveries.flatMap((delivery) => checkDelivery(delivery, dump.all)),
  ];
}

/** The events that were acknowledged and are nowhere in the log. */
export function lostEvents(violations: readonly Violation[], { all }: LogDump): string[] {
  const there = new Set(all.map(({ eventId }) => eventId));
  const reported = violations.flatMap(({ invariant, eventIds }) => (invariant === 'I1' ? eventIds : []));
  return [...new Set(reported)].filter((eventId) => !there.has(eventId));
}

/** All tries of one command together. */
interface CommandHistory {
  readonly commandId: string;
  readonly stream: string;
  readonly eventIds: readonly string[];
  readonly tries: Operation[];
}

interface LogIndex {
  /** Where in `$all` each event stands. Twice is for I3 to tell; to all others its first place counts. */
  readonly placesOf: ReadonlyMap<string, readonly number[]>;
  readonly all: readonly LoggedEvent[];
}

function commandsOf(operations: readonly Operation[]): Map<string, CommandHistory> {
  const commands = new Map<string, CommandHistory>();
  for (const operation of operations) {
    const { commandId, stream, eventIds } = operation;
    const known = commands.get(commandId);
    if (known) known.tries.push(operation);
    else commands.set(commandId, { commandId, stream, eventIds, tries: [operation] });
  }
  return commands;
}

function indexLog(all: readonly LoggedEvent[]): LogIndex {
  const placesOf = new Map<string, number[]>();
  for (const [place, { eventId }] of all.entries()) {
    const places = placesOf.get(eventId);
    if (places) places.push(place);
    else placesOf.set(eventId, [place]);
  }
  return { placesOf, all };
}

function checkDurability(operations: readonly Operation[], { placesOf, all }: LogIndex): Violation[] {
  const violations: Violation[] = [];
  for (const { commandId, stream, eventIds, outcome, revision, position } of operations) {
    if (outcome !== 'ok') continue;
    const answer = { stream, revision: revision ?? -1, position: position ?? -1 };
    const lost = eventIds.filter((id) => !placesOf.has(id));
    if (lost.length > 0) {
      const message = `command ${commandId} was acknowledged at revision ${answer.revision} of ${stream}, and ${lost.length} of its ${eventIds.length} events are not in the log`;
      violations.push({ invariant: 'I1', message, eventIds: lost });
      continue;
    }
    const misplaced = eventIds.filter((id, index) => {
      const expected = answer.revision - eventIds.length + 1 + index;
      return !placesOf.get(id)?.some((place) => isAt(all[place], stream, expected));
    });
    const last = placesOf.get(eventIds.at(-1) ?? '')?.map((place) => all[place]?.position);
    if (misplaced.length > 0 || last?.includes(answer.position) !== true) {
      const message = `command ${commandId} was acknowledged at revision ${answer.revision}, position ${answer.position} of ${stream}, and the log has its events elsewhere`;
      violations.push({ invariant: 'I1', message, eventIds: misplaced.length > 0 ? misplaced : eventIds });
    }
  }
  return violations;
}

function isAt(event: LoggedEvent | undefined, stream: string, revision: number): boolean {
  return event?.stream === stream && event.revision === revision;
}

function checkNothingInvented(
  commands: ReadonlyMap<string, CommandHistory>,
  all: readonly LoggedEvent[],
): Violation[] {
  const violations: Violation[] = [];
  for (const { eventId, commandId, stream, revision } of all) {
    const command = commands.get(commandId);
    const at = `the event at revision ${revision} of ${stream}`;
    const say = (message: string): void =>
      void violations.push({ invariant: 'I2', message, eventIds: [eventId] });
    if (!command?.eventIds.includes(eventId)) say(`nobody appended ${at}`);
    else if (command.stream !== stream) say(`${at} was appended to ${command.stream}`);
    else if (command.tries.some(({ outcome }) => outcome === 'fail'))
      say(`${at} is of command ${commandId}, which was refused`);
  }
  return violations;
}

function checkOneEffect(
  commands: ReadonlyMap<string, CommandHistory>,
  { placesOf, all }: LogIndex,
): Violation[] {
  const violations: Violation[] = [];
  for (const [eventId, places] of placesOf) {
    if (places.length === 1) continue;
    const where = places.map((place) => `${all[place]?.stream}@${all[place]?.revision}`).join(', ');
    const message = `an event was written ${places.length} times: ${where}`;
    violations.push({ invariant: 'I3', message, eventIds: [eventId] });
  }
  for (const { commandId, tries, eventIds } of commands.values()) {
    const answers = new Set(
      tries
        .filter(({ outcome }) => outcome === 'ok')
        .map(({ revision, position }) => `revision ${revision}, position ${position}`),
    );
    if (answers.size <= 1) continue;
    const message = `command ${commandId} was answered differently: ${[...answers].join('; ')}`;
    violations.push({ invariant: 'I3', message, eventIds });
  }
  return violations;
}

function checkAtomicity(
  commands: ReadonlyMap<string, CommandHistory>,
  { placesOf, all }: LogIndex,
): Violation[] {
  const violations: Violation[] = [];
  for (const { commandId, eventIds } of commands.values()) {
    const places = eventIds.flatMap((id) => placesOf.get(id)?.slice(0, 1) ?? []);
    if (places.length === 0) continue;
    const first = all[places[0] ?? 0];
    const isWhole =
      places.length === eventIds.length &&
      places.every((place, index) => {
        const isNext = place === (places[0] ?? 0) + index;
        return isNext && first !== undefined && isAt(all[place], first.stream, first.revision + index);
      });
    if (isWhole) continue;
    const message = `command ${commandId} has ${places.length} of its ${eventIds.length} events in the log, or they do not follow each other`;
    violations.push({ invariant: 'I4', message, eventIds });
  }
  return violations;
}

/**
 * A command cannot have taken effect before its first try, nor after the first answer that it had. So walking a stream
 * upwards, no command may have been answered before one that stands below it was first tried.
 */
function checkRealTimeOrder(
  commands: ReadonlyMap<string, CommandHistory>,
  { placesOf, all }: LogIndex,
): Violation[] {
  const violations: Violation[] = [];
  const latestBelow = new Map<string, { invoke: number; commandId: string }>();
  for (const [place, { stream, commandId, eventId, revision }] of all.entries()) {
    const command = commands.get(commandId);
    if (command?.eventIds[0] !== eventId || placesOf.get(eventId)?.[0] !== place) continue;
    const invoke = Math.min(...command.tries.map((each) => each.invoke));
    const answered = Math.min(
      ...command.tries.map((each) => (each.outcome === 'ok' ? each.complete : Infinity)),
    );
    const latest = latestBelow.get(stream);
    if (latest !== undefined && answered < latest.invoke) {
      const message = `on ${stream} command ${latest.commandId} was begun after ${commandId} was acknowledged, and stands below it (revision ${revision})`;
      violations.push({ invariant: 'I5', message, eventIds: command.eventIds });
    }
    if (latest === undefined || invoke > latest.invoke) latestBelow.set(stream, { invoke, commandId });
  }
  return violations;
}

function checkOrder({ all, streams }: LogDump): Violation[] {
  const violations: Violation[] = [];
  const say = (message: string, eventId: string): void =>
    void violations.push({ invariant: 'I6', message, eventIds: [eventId] });
  const inAll = new Map<string, LoggedEvent[]>();
  let position = -1;
  for (const event of all) {
    if (event.position <= position)
      say(`in $all position ${event.position} follows position ${position}`, event.eventId);
    position = event.position;
    const ofStream = inAll.get(event.stream) ?? [];
    if (event.revision !== ofStream.length)
      say(`${event.stream} has revision ${event.revision} where ${ofStream.length} is next`, event.eventId);
    ofStream.push(event);
    inAll.set(event.stream, ofStream);
  }
  for (const stream of new Set([...inAll.keys(), ...streams.keys()])) {
    const fromAll = inAll.get(stream) ?? [];
    const fromStream = streams.get(stream) ?? [];
    for (let index = 0; index < Math.max(fromAll.length, fromStream.length); index++) {
      const [a, b] = [fromAll[index], fromStream[index]];
      if (a?.eventId === b?.eventId && a?.revision === b?.revision && a?.position === b?.position) continue;
      say(`${stream} reads otherwise than in $all from its event ${index} on`, (a ?? b)?.eventId ?? '');
      break;
    }
  }
  return violations;
}

function checkDelivery(
  { subscriber, withContent, events, failure }: Delivery,
  all: readonly LoggedEvent[],
): Violation[] {
  const violations: Violation[] = [];
  const say = (message: string, eventIds: readonly string[]): void =>
    void violations.push({ invariant: 'delivery', message: `${subscriber} ${message}`, eventIds });
  if (failure !== null) say(`gave up: ${failure}`, []);
  const expected = all.filter(({ type }) => withContent || type !== contentType);
  const delivered = new Set<string>();
  let position = -1;
  for (const event of events) {
    if (delivered.has(event.eventId))
      say(`got the event at position ${event.position} again`, [event.eventId]);
    else if (event.position <= position)
      say(`got position ${event.position} after position ${position}`, [event.eventId]);
    delivered.add(event.eventId);
    position = Math.max(position, event.position);
  }
  const missing = expected.filter(({ eventId }) => !delivered.delete(eventId)).map(({ eventId }) => eventId);
  if (missing.length > 0) say(`did not get ${missing.length} of ${expected.length} events`, missing);
  if (delivered.size > 0)
    say(`got ${delivered.size} events that it did not ask for, or that are not in the log`, [...delivered]);
  return violations;
}
