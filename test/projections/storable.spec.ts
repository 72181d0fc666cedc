import fc from 'fast-check';
import { instant } from '../../projections/storable';

describe('a time that rows hold', () => {
  const date = fc.date({ noInvalidDate: true });
  const digits = fc.stringMatching(/^\d{4}-[0-3]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d\.\d{3}Z$/);

  it('is spelled as a Date spells it, whatever it comes as', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          date.map((time) => time.toISOString()),
          date.map((time) => time.toUTCString()),
          digits,
        ),
        (text) => {
          const expected = (): string => new Date(text).toISOString();
          if (Number.isNaN(new Date(text).getTime())) expect(() => instant(text)).toThrow(RangeError);
          else expect(instant(text)).toBe(expected());
        },
      ),
      { numRuns: 2_000 },
    );
  });
});
