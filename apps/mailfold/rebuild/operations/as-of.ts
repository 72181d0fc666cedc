import { LogLedger } from '../../../shared/log-ledger/log-ledger';
import { RunRefused } from '../run-states';
import type { Workplace } from '../workplace';

/**
 * The position of the log that `text` names: digits alone are a position; a time (ISO 8601) is turned by the log ledger into
 * the last position of that time. Throws {@link RunRefused} for what is neither, for a time to come, and for one before the
 * first event.
 */
export async function asOfPosition(workplace: Workplace, text: string): Promise<bigint> {
  if (/^\d{1,20}$/.test(text)) return BigInt(text);
  const timeMs = Date.parse(text);
  if (Number.isNaN(timeMs))
    throw new RunRefused(`${text} is neither a time such as 2026-03-01T12:00:00Z nor a position`, null);
  const ledger = new LogLedger(workplace.control, workplace.store());
  const { place, isSettled } = await ledger.placeAtTime(timeMs);
  if (!isSettled && timeMs > Date.now())
    throw new RunRefused(`${text} has not come yet: events of that time are still to be written`, null);
  if (place === null) throw new RunRefused(`the log held nothing at ${text} yet`, null);
  return place.position;
}
