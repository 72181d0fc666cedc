import { statSync } from 'node:fs';
import type { ReadableEvent } from '../../projecting/fold-event';
import type { SpoolPlace } from '../contracts';
import { rangeFile, SpoolFile } from './spool-file';
import { spooledEvents } from './spooled-event';

/** What the spool holds: the files of ranges 0 to `ranges` − 1. */
export interface Spool extends SpoolPlace {
  readonly ranges: number;
}

/**
 * The events of a bucket that a tier needs, in log order: ranges follow each other, and each is in order. A block at a time;
 * poison comes as undecodable events. Throws when a file is missing or was changed.
 * @param tier its place in the tiers of the run.
 */
export function* readSpool(spool: Spool, tier: number, bucket: number): Generator<readonly ReadableEvent[]> {
  for (let range = 0; range < spool.ranges; range++) {
    const file = openRange(spool, range);
    try {
      for (const block of file.blocksOf(tier, bucket)) yield spooledEvents(block);
    } finally {
      file.close();
    }
  }
}

/** What the range adds up to, as its reader has left it. */
export function readSummary<Summary>(place: SpoolPlace, range: number): Summary {
  const file = openRange<Summary>(place, range);
  try {
    return file.summary;
  } finally {
    file.close();
  }
}

function openRange<Summary>(place: SpoolPlace, range: number): SpoolFile<Summary> {
  return new SpoolFile<Summary>(place, range, statSync(rangeFile(place, range)).size);
}
