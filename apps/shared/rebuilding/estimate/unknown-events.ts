import { unreadableReason } from '../../event-store/upcasters';

/** A type and version in the log that this build cannot read. */
export interface UnknownEvents {
  /** As the census has it: `MessageReceived.v9`. */
  readonly name: string;
  readonly events: number;
  readonly reason: string;
}

/** Every one of them is poison to a rebuild, wherever in the log it lies. */
export function unknownEvents(
  census: Iterable<{ readonly name: string; readonly events: number }>,
): UnknownEvents[] {
  const unknown: UnknownEvents[] = [];
  for (const { name, events } of census) {
    const dot = name.lastIndexOf('.v');
    const reason = unreadableReason(name.slice(0, dot), Number(name.slice(dot + 2)));
    if (reason !== null) unknown.push({ name, events, reason });
  }
  return unknown;
}
