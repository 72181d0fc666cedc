import { z } from 'zod';
import { currentSchemaVersions } from '../../../../domain/catalogue.events';
import {
  mailfoldSchemas,
  ShapeMismatch,
  unreadableReason,
  upcast,
  type EventSchemas,
} from '../../../../apps/shared/event-store/upcasters';

const { strictObject, string } = z;

/**
 * A log with a history: a name was one field, then two, then got a title; and a type that nobody writes any more, whose
 * second version became version 2 of the other.
 */
const schemas: EventSchemas = {
  currentVersions: { PersonNamed: 3 },
  shapes: {
    PersonNamed: {
      1: strictObject({ name: string() }),
      2: strictObject({ first: string(), last: string() }),
      3: strictObject({ first: string(), last: string(), title: string().nullable() }),
    },
    NicknameGiven: { 1: strictObject({ nick: string() }), 2: strictObject({ nickname: string() }) },
  },
  upcasters: {
    PersonNamed: {
      1: ({ name }) => {
        const [first, last = ''] = String(name).split(' ');
        return { first, last };
      },
      2: (data) => ({ ...data, title: null }),
    },
    NicknameGiven: { 1: ({ nick }) => ({ nickname: nick }) },
  },
  successors: {
    NicknameGiven: {
      ...{ lastVersion: 2, type: 'PersonNamed', version: 2 },
      convert: ({ nickname }) => ({ first: nickname, last: '' }),
    },
  },
  erasedFields: {},
};

describe('bringing an event to the current version', () => {
  const current = (first: string, last: string, title: string | null = null) => ({
    ...{ type: 'PersonNamed', version: 3, data: { first, last, title } },
  });

  it.each([
    ['from the first version, one step after the other', 'PersonNamed', 1, { name: 'Ada Lovelace' }],
    ['from the one before', 'PersonNamed', 2, { first: 'Ada', last: 'Lovelace' }],
    ['as it is when it is current', 'PersonNamed', 3, { first: 'Ada', last: 'Lovelace', title: null }],
  ])('takes it %s', (_how, type, version, data) => {
    expect(upcast({ type, version, data }, schemas)).toEqual(current('Ada', 'Lovelace'));
  });

  it.each([
    [1, { nick: 'Ada' }],
    [2, { nickname: 'Ada' }],
  ])('turns version %p of a type that no longer exists into the one that took its place', (version, data) => {
    expect(upcast({ type: 'NicknameGiven', version, data }, schemas)).toEqual(current('Ada', ''));
  });

  it('passes fields that the version does not have', () => {
    const data = { ...current('Ada', 'Lovelace').data, more: 1 };
    expect(upcast({ type: 'PersonNamed', version: 3, data }, schemas).data).toEqual(data);
  });

  it.each([
    ['a missing field', 3, { first: 'Ada', title: null }, /^last of PersonNamed version 3: /],
    ['a field of a wrong type', 1, { name: 7 }, /^name of PersonNamed version 1: /],
    ['the fields of another version', 2, { name: 'Ada Lovelace' }, /of PersonNamed version 2: /],
  ])('refuses %s', (_what, version, data, reason) => {
    const act = (): unknown => upcast({ type: 'PersonNamed', version, data }, schemas);
    expect(act).toThrow(ShapeMismatch);
    expect(act).toThrow(reason);
  });

  it.each([
    ['PersonNamed', 4, 'unknown version 4 of PersonNamed; this build knows 1 to 3'],
    ['PersonNamed', 0, 'unknown version 0 of PersonNamed; this build knows 1 to 3'],
    ['PersonNamed', undefined, 'unknown version undefined of PersonNamed; this build knows 1 to 3'],
    ['NicknameGiven', 3, 'unknown version 3 of NicknameGiven; this build knows 1 to 2'],
    ['PersonForgotten', 1, 'unknown event type PersonForgotten'],
    ['constructor', 1, 'unknown event type constructor'],
  ])('calls %s version %p unreadable', (type, version, reason) => {
    expect(unreadableReason(type, version, schemas)).toBe(reason);
  });

  it.each([
    ['PersonNamed', 1],
    ['NicknameGiven', 2],
  ])('calls %s version %p readable', (type, version) => {
    expect(unreadableReason(type, version, schemas)).toBeNull();
  });
});

describe('the schemas of this build', () => {
  const { currentVersions, shapes, upcasters, successors } = mailfoldSchemas;
  const lastVersions = [
    ...Object.entries(currentSchemaVersions),
    ...Object.entries(successors).map(([type, successor]) => [type, successor?.lastVersion ?? 0] as const),
  ];

  it.each(lastVersions)('lead from every version of %s to the current one', (type, last) => {
    const versions = Array.from({ length: last }, (_, index) => String(index + 1));
    expect(Object.keys(shapes[type] ?? {})).toEqual(versions);
    expect(Object.keys(upcasters[type] ?? {})).toEqual(versions.slice(0, -1));
  });

  it('let every type that is no longer written end in one that is', () => {
    for (const successor of Object.values(successors))
      expect(successor && currentVersions[successor.type]).toBeGreaterThanOrEqual(successor?.version ?? 1);
    expect(Object.keys(successors).filter((type) => type in currentVersions)).toEqual([]);
  });
});
