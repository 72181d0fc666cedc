import fc from 'fast-check';
import { SeenNames } from '../../../apps/mailfold/log/seen-names';

describe('remembering names by 64 bits of their hash', () => {
  it('knows which came before, as a set of the names would', () => {
    fc.assert(
      fc.property(fc.array(fc.stringMatching(/^[a-d]{1,3}$/), { maxLength: 200 }), (names) => {
        const [seen, model] = [new SeenNames(), new Set<string>()];
        for (const name of names) {
          expect(seen.add(name)).toBe(!model.has(name));
          model.add(name);
        }
      }),
    );
  });

  it('forgets none when it grows, and stays small', () => {
    const seen = new SeenNames();
    const names = Array.from({ length: 200_000 }, (_, index) => `stream-${index % 100} event-${index}`);
    expect(names.filter((name) => seen.add(name))).toHaveLength(names.length);
    expect(names.filter((name) => seen.add(name))).toEqual([]);
    expect(seen.bytes / names.length).toBeLessThan(23);
  });
});
