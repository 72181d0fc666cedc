import { backOff } from './backoff';
import { isInvalidPosition } from './client-errors';
import { LogMismatch, type LogReadOptions, type LogRecordMessage } from './event-store';
import { isServersOwn } from './log-record';
import { recordSubscription, typeFilter, type NodeFinder } from './record-subscription';

/** A server in trouble can refuse a good position, too; a bad one it refuses for ever. */
const refusalsMax = 5;
/** Longer than any pause before another attempt: a subscription that lasted so long was a good one, whatever it brought. */
const steadyMs = 5_000;

/**
 * See `EventStore.subscribeRecords`: one subscription after the other, each from where the last one was dropped. Being
 * dropped is normal life, by a restart, by an election, or as a consumer too slow (event-store.md §4, §4.2).
 */
export async function* followRecords(
  nodes: NodeFinder,
  { withContent, signal, ...options }: LogReadOptions,
  onReconnect: ((error: unknown) => void) | undefined,
): AsyncGenerator<LogRecordMessage> {
  const filter = typeFilter(withContent);
  let { after } = options;
  let refusals = 0;
  for (let failures = 0; !signal.aborted; failures++) {
    const beganAt = Date.now();
    try {
      for await (const messages of recordSubscription(nodes, { after, filter, signal })) {
        for (const message of messages) {
          if (message.kind === 'other') continue;
          if (message.kind === 'record') {
            // Records alone are progress: a server may confirm a subscription, and drop it, again and again.
            failures = 0;
            refusals = 0;
            const { position, id: eventId } = message.record;
            after = { position, eventId };
            if (isServersOwn(message.record)) continue;
          }
          yield message;
        }
      }
    } catch (error) {
      if (error instanceof LogMismatch) throw error;
      if (signal.aborted) return;
      if (after && isInvalidPosition(error) && ++refusals === refusalsMax)
        throw new LogMismatch(
          `the log has no position ${after.position}: this is another log, or a restored one`,
        );
      onReconnect?.(error);
      if (Date.now() - beganAt > steadyMs) failures = 0;
      await backOff(failures, signal);
    }
  }
}
