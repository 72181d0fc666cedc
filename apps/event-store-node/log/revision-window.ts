import type { EventIdentity } from './append-rules';

/** Where ids are remembered, they are compared this far back without reading the log. */
export const identitiesKeptMax = 1_000;

/**
 * The end of one stream: its last revision, and the ids of its recent events. These are kept beyond their group only for
 * streams that are written to without an exact revision; a repetition with one finds what it needs in the log.
 */
export class RevisionWindow {
  tombstoned = false;
  private identities: EventIdentity[] = [];
  private revisions: Map<string, number> | undefined;
  private remembers = false;

  constructor(private lastRevision: number) {}

  get last(): number {
    return this.lastRevision;
  }

  /** Revision of the oldest event in the window; `last + 1` when it is empty. */
  get from(): number {
    return this.lastRevision - this.identities.length + 1;
  }

  get size(): number {
    return this.identities.length;
  }

  push(identity: EventIdentity): void {
    this.identities.push(identity);
    this.lastRevision += 1;
    this.revisions?.set(identity.id, this.lastRevision);
  }

  /** From now on recent ids are kept, since somebody asks for them. */
  remember(): void {
    this.remembers = true;
  }

  /** Puts older events, which end right below the window, before it. */
  extendBack(identities: readonly EventIdentity[]): void {
    this.identities = [...identities, ...this.identities];
    this.revisions = undefined;
  }

  eventAt(revision: number): EventIdentity | undefined {
    return revision < this.from ? undefined : this.identities[revision - this.from];
  }

  revisionOf(id: string): number | undefined {
    // Only the modes without an exact revision ask, so most streams never pay for the map.
    this.revisions ??= new Map(this.identities.map((identity, index) => [identity.id, this.from + index]));
    return this.revisions.get(id);
  }

  /** Call between groups only: a decision may need every event since the group's states were loaded. */
  trim(): void {
    const keptMax = this.remembers ? 2 * identitiesKeptMax : 0;
    if (this.identities.length <= keptMax) return;
    this.identities = this.remembers ? this.identities.slice(-identitiesKeptMax) : [];
    this.revisions = undefined;
  }
}
