import type { BulkLoadOptions } from '../contracts';
import type { TierToEstimate } from './scratch-targets';

export interface EstimateOptions extends Pick<
  BulkLoadOptions,
  'log' | 'fence' | 'only' | 'spoolFolder' | 'parallelism' | 'memoryMaxBytes' | 'signal' | 'onProgress'
> {
  readonly tiers: readonly TierToEstimate[];
  /** Of this build: figures of another one say nothing. */
  readonly codeVersion: string;
  /** How many events to read; by default 2 % of the log, 60,000 at least. */
  readonly sampleEvents?: number;
}
