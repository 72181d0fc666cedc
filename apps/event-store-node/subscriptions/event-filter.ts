import { GrpcError, grpcCode } from '../grpc/grpc-status';
import { decodeEventFrame } from '../wire/event-frames';
import type { FilterOptions } from '../wire/read-messages';
import { compileRegex } from './safe-regex';

/** Decides which events of `$all` a reader gets, and how often it is told how far the server has looked. */
export interface EventFilter {
  matches(streamName: string, frame: Buffer): boolean;
  /** Set: only streams whose names begin with one of these can match, which the store knows how to find. */
  readonly streamPrefixes: readonly string[] | null;
  /** In events considered, whether they matched or not. */
  readonly checkpointInterval: number;
}

const windowDefault = 32;
const verdictsKeptMax = 10_000;

/** Checks the filter as a real node does (event-store.md §4, Subscriptions). Throws {@link GrpcError}. */
export function eventFilter(options: FilterOptions): EventFilter {
  if (options.field === undefined) throw invalid('The filter names neither streams nor event types.');
  if (options.windowMax === undefined) throw invalid('The filter has no window.');
  if (options.windowMax === 0) throw invalid('The filter window must be above zero.');
  if (options.checkpointMultiplier === 0)
    throw new GrpcError(grpcCode.unknown, 'The checkpoint interval multiplier must be above zero.');
  const window = options.windowMax === 'count' ? windowDefault : options.windowMax;
  const matchesText = remembered(
    options.regex === '' ? prefixTest(options.prefixes) : compileRegex(options.regex),
  );
  return {
    matches:
      options.field === 'streamName'
        ? (streamName) => matchesText(streamName)
        : (_streamName, frame) => matchesText(decodeEventFrame(frame).type),
    streamPrefixes: options.field === 'streamName' && options.regex === '' ? options.prefixes : null,
    checkpointInterval: window * options.checkpointMultiplier,
  };
}

function prefixTest(prefixes: readonly string[]): (text: string) => boolean {
  return (text) => prefixes.some((prefix) => text.startsWith(prefix));
}

/** Event types are few and come again and again, so most verdicts are known. */
function remembered(test: (text: string) => boolean): (text: string) => boolean {
  const verdicts = new Map<string, boolean>();
  return (text) => {
    const known = verdicts.get(text);
    if (known !== undefined) return known;
    const verdict = test(text);
    if (verdicts.size >= verdictsKeptMax) verdicts.clear();
    verdicts.set(text, verdict);
    return verdict;
  };
}

function invalid(message: string): GrpcError {
  return new GrpcError(grpcCode.invalidArgument, message);
}
