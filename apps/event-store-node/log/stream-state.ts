import type { EventIdentity, StreamView } from './append-rules';
import { RevisionWindow } from './revision-window';
import { isSoftDeleted, noMetadata, parseStreamMetadata, type StreamMetadata } from './stream-metadata';
import { isMetastream } from './stream-names';

/** What a state weighs before any event is remembered. */
const stateWeight = 5;

/** A stream together with its metastream, as of the last write, committed or in the group being put together. */
export class StreamState {
  readonly events: RevisionWindow;
  readonly metastream: RevisionWindow;
  metadata: StreamMetadata = noMetadata;
  /** Raw data of the last metadata event. */
  metadataBytes = Buffer.alloc(0);

  constructor(
    readonly streamName: string,
    last: number,
    metastreamLast: number,
  ) {
    this.events = new RevisionWindow(last);
    this.metastream = new RevisionWindow(metastreamLast);
  }

  get softDeleted(): boolean {
    return isSoftDeleted(this.metadata);
  }

  /** The window of the stream itself or of its metastream, whichever `streamName` names. */
  windowOf(streamName: string): RevisionWindow {
    return isMetastream(streamName) ? this.metastream : this.events;
  }

  setMetadata(data: Buffer): void {
    // A copy: the proposed event is a view of a received chunk, which it would keep in memory.
    this.metadataBytes = Buffer.from(data);
    this.metadata = parseStreamMetadata(data);
  }

  /** `older` serves revisions below the window that were read from the log for this one decision. */
  view(streamName: string, older: ReadonlyMap<number, EventIdentity> | undefined): StreamView {
    const window = this.windowOf(streamName);
    const isBase = window === this.events;
    return {
      last: window.last,
      tombstoned: this.events.tombstoned,
      softDeleted: isBase && this.softDeleted,
      hasMetadata: isBase && this.metastream.last >= 0,
      eventAt: (revision) => window.eventAt(revision) ?? older?.get(revision),
      revisionOf: (id) => window.revisionOf(id),
    };
  }

  trim(): void {
    this.events.trim();
    this.metastream.trim();
  }

  /** In units of one remembered event, for the bound on the cache. */
  get weight(): number {
    return stateWeight + this.events.size + this.metastream.size;
  }
}
