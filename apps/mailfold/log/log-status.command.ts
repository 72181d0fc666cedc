import type { EventStore } from '../../shared/event-store/event-store';
import { LogLedger } from '../../shared/log-ledger/log-ledger';
import type { CommandContext } from '../command-run';
import { controlUrl, openLog, openPool } from '../connections';
import { duration, groupedDigits, plural, table, type Output } from '../output';
import { megabytes } from './bytes';
import { unreadEvents, type UnreadEvents } from './unread-events';

const minuteMs = 60_000;
const minutesPerHour = 60;
const namesShownMax = 10;

interface LogStatus {
  readonly head: bigint | null;
  /** Of the ledger, and of what lies behind it as far as that was counted. */
  readonly events: number;
  readonly bytes: number;
  /** When the newest event came in, by the server's clock. */
  readonly newestAt: string | null;
  /** Events per second over the last one to two minutes, and the last hour. */
  readonly rate: { readonly lastMinute: number; readonly lastHour: number };
  readonly ledger: {
    readonly position: bigint | null;
    readonly events: number;
    /** Events the ledger has still to count, how long the first of them has waited; null when they cannot be read. */
    readonly lag: UnreadEvents | null;
  };
  readonly census: readonly { readonly name: string; readonly events: number; readonly bytes: number }[];
}

/** `mailfold log status`: how long the log is and grows, and how far the ledger has come in it. */
export async function logStatusCommand(context: CommandContext): Promise<void> {
  const store = openLog(context);
  const status = await statusOf(store, new LogLedger(openPool(context, controlUrl()), store));
  context.output.record(status);
  print(context.output, status);
}

async function statusOf(store: EventStore, ledger: LogLedger): Promise<LogStatus> {
  // One after the other, the ledger first: what comes in meanwhile is then new to the log, not missing from it.
  const checkpoint = await ledger.checkpoint();
  const counted = await ledger.head();
  const census = await ledger.census();
  const head = await store.head();
  const lag = await unreadEvents(store, checkpoint);
  const newestMs = lag?.newestMs ?? counted?.timeMs ?? null;
  const now = Date.now();
  return {
    head,
    events: census.reduce((sum, { events }) => sum + events, 0) + (lag?.events ?? 0),
    bytes: census.reduce((sum, { bytes }) => sum + bytes, 0) + (lag?.bytes ?? 0),
    newestAt: newestMs === null ? null : new Date(newestMs).toISOString(),
    rate: {
      lastMinute: await rateOver(ledger, 1, now),
      lastHour: await rateOver(ledger, minutesPerHour, now),
    },
    ledger: { position: checkpoint?.position ?? null, events: counted?.ordinal ?? 0, lag },
    census,
  };
}

/** From the beginning of a minute on, since the ledger knows nothing smaller. */
async function rateOver(ledger: LogLedger, minutes: number, nowMs: number): Promise<number> {
  const sinceMs = (Math.floor(nowMs / minuteMs) - minutes) * minuteMs;
  const perSecond = ((await ledger.eventsSince(sinceMs)) * 1_000) / (nowMs - sinceMs);
  return Number(perSecond.toPrecision(3));
}

function print(output: Output, { head, events, bytes, newestAt, rate, ledger, census }: LogStatus): void {
  const lines = [
    ['head', String(head ?? 'none: the log is empty')],
    ['events', `${ledger.lag?.isCountedInPart ? 'at least ' : ''}${groupedDigits(events)}`],
    ['bytes', megabytes(bytes)],
    ['newest', newestAt ?? 'none'],
    ['rate', `${rate.lastMinute}/s over the last minute, ${rate.lastHour}/s over the last hour`],
    ['ledger', `position ${ledger.position ?? 'none'}, ${lagText(ledger.lag)}`],
  ];
  for (const line of table(lines)) output.line(line);
  if (census.length === 0) return;
  output.line();
  const largest = census.toSorted((a, b) => b.events - a.events).slice(0, namesShownMax);
  for (const line of table(largest.map((each) => [`  ${each.name}`, each.events, megabytes(each.bytes)])))
    output.line(line);
  if (census.length > namesShownMax)
    output.line(`  and ${plural(census.length - namesShownMax, 'other type')}: --json has all`);
}

function lagText(lag: UnreadEvents | null): string {
  if (lag === null) return 'lag unknown: the log cannot be read on from there';
  if (lag.events === 0) return 'at the end of the log';
  const atLeast = lag.isCountedInPart ? 'at least ' : '';
  return `behind by ${atLeast}${plural(lag.events, 'event')} and ${duration(lag.lagSeconds)}`;
}
