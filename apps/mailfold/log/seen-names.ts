import { hash } from 'node:crypto';

const slotsAtStart = 1 << 16;
const loadMax = 0.7;

/**
 * Which names came before, by 64 bits of their SHA-256: 11 to 23 bytes each, where a set of the names would take hundreds.
 * Two names are taken for one with a chance of n²/2⁶⁵: one in four thousand for a hundred million.
 */
export class SeenNames {
  /** Pairs of 32 bits, open addressing; the pair 0, 0 is a free slot. */
  private slots = new Uint32Array(2 * slotsAtStart);
  private count = 0;

  /** Whether the name is new. */
  add(name: string): boolean {
    if (this.count >= (loadMax * this.slots.length) / 2) this.grow();
    const digest = hash('sha256', name, 'buffer');
    const isNew = this.insert(digest.readUInt32LE(0), digest.readUInt32LE(4) || 1);
    if (isNew) this.count += 1;
    return isNew;
  }

  get bytes(): number {
    return this.slots.byteLength;
  }

  private insert(high: number, low: number): boolean {
    const { slots } = this;
    const mask = slots.length / 2 - 1;
    for (let slot = high & mask; ; slot = (slot + 1) & mask) {
      const heldLow = slots[2 * slot + 1];
      if (heldLow === 0) {
        slots[2 * slot] = high;
        slots[2 * slot + 1] = low;
        return true;
      }
      if (heldLow === low && slots[2 * slot] === high) return false;
    }
  }

  private grow(): void {
    const old = this.slots;
    this.slots = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      const low = old[at + 1] ?? 0;
      if (low !== 0) this.insert(old[at] ?? 0, low);
    }
  }
}
