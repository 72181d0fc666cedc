import { z } from 'zod';
import { currentSchemaVersions, type MailfoldEvent } from '../../../../domain/catalogue.events';
import { currentShapes, shapeFaults } from '../../../../apps/shared/event-store/event-shapes';

type Type = MailfoldEvent['type'];
type DataOf<T extends Type> = Extract<MailfoldEvent, { type: T }>['data'];
type Mutable<T> = T extends Uint8Array
  ? Uint8Array
  : T extends readonly (infer Item)[]
    ? Mutable<Item>[]
    : T extends object
      ? { -readonly [Field in keyof T]: Mutable<T[Field]> }
      : T;
/** Identical, not only assignable either way: a field that is optional on one side alone would pass that. */
type IsSame<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Checked by the compiler: a shape has every field of its interface, and the other way round. */
const isSame: {
  readonly [T in Type]: IsSame<Mutable<DataOf<T>>, Mutable<z.output<(typeof currentShapes)[T]>>>;
} & Record<Type, true> = Object.fromEntries(
  Object.keys(currentSchemaVersions).map((type) => [type, true]),
) as Record<Type, true>;

describe('the shape of an event', () => {
  it('is declared for every type, as its interface has it', () => {
    expect(Object.keys(currentShapes).sort()).toEqual(Object.keys(isSame).sort());
  });

  const shape = z.strictObject({ id: z.guid(), at: z.iso.datetime(), inner: z.strictObject({ n: z.int() }) });
  const sound = {
    ...{ id: '00000000-0000-4000-8000-000000000001', at: '2026-03-01T10:00:00.000Z' },
    inner: { n: 1 },
  };

  it.each([
    ['a field that is missing', { ...sound, at: undefined }, 'at', false],
    ['a field of another type', { ...sound, inner: { n: '1' } }, 'inner.n', false],
    ['a time that is none', { ...sound, at: 'NaN' }, 'at', false],
    ['an id that is none', { ...sound, id: 'me' }, 'id', false],
    ['a field nobody declared', { ...sound, inner: { n: 1, more: 1 } }, 'inner', true],
    ['data that is no object', null, '', false],
  ])('finds %s', (_what, data, path, isExcess) => {
    expect(shapeFaults(shape, data)).toEqual([{ path, isExcess, message: expect.any(String) }]);
  });

  it('finds nothing wrong with data that has it', () => expect(shapeFaults(shape, sound)).toEqual([]));
});
