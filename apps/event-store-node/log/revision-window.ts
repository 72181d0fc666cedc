import type { EventIdentity } from './append-rules';

/** Ids are compared this far back without reading the log; what is older is read when a retry asks for it. */
export const identitiesKeptMax = 1_000;

/** The end of one stream: its last revision, and the ids and positions of its most recent events. */
export class RevisionWindow {
  tombstoned = false;
  private identities: EventIdentity[] = [];
  private revisions: Map<string, number> | undefined;

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

  push(identities: readonly EventIdentity[]): void {
    for (const identity of identities) {
      this.identities.push(identity);
      this.lastRevision += 1;
      this.revisions?.set(identity.id, this.lastRevision);
    }
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
    if (this.identities.length <= 2 * identitiesKeptMax) return;
    this.identities = this.identities.slice(-identitiesKeptMax);
    this.revisions = undefined;
  }
}
