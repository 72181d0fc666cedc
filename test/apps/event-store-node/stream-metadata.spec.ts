import {
  firstVisibleRevision,
  isExpired,
  isSoftDeleted,
  noMetadata,
  parseStreamMetadata,
  softDeleteMetadata,
  undeletedMetadata,
} from '../../../apps/event-store-node/log/stream-metadata';

const parse = (text: string) => parseStreamMetadata(Buffer.from(text));

describe('stream metadata', () => {
  test.each(['', 'not json', '[]', '"text"', 'null', '{"$maxCount":0}', '{"$maxCount":-1}', '{"$tb":"5"}'])(
    '%j states no rule',
    (text) => expect(parse(text)).toEqual(noMetadata),
  );

  test.each([
    ...['{"$maxCount":"2","$tb":3}', '{"$maxCount":2.5,"$tb":3}', '{"$maxCount":null,"$tb":3}'],
    ...['{"$maxCount":1e30,"$tb":3}', '{"$maxAge":99999999999999,"$tb":3}'],
    ...['{"$cacheControl":"x","$tb":3}', '{"$acl":"x","$tb":3}'],
  ])('a system key of the wrong kind spoils the others: %s', (text) =>
    expect(parse(text)).toEqual(noMetadata),
  );

  test.each(['{"$maxCount":0,"$tb":3}', '{"$maxCount":-1,"$tb":3}', '{"own":"x","$acl":{"$r":"a"},"$tb":3}'])(
    'a senseless number and keys of others do not: %s',
    (text) => expect(parse(text)).toEqual({ ...noMetadata, truncateBefore: 3 }),
  );

  test('the stricter of $tb and $maxCount decides what is visible', () => {
    expect(firstVisibleRevision(parse('{"$tb":3}'), 9)).toBe(3);
    expect(firstVisibleRevision(parse('{"$maxCount":2}'), 9)).toBe(8);
    expect(firstVisibleRevision(parse('{"$tb":9,"$maxCount":5}'), 9)).toBe(9);
    expect(firstVisibleRevision(parse('{"$maxCount":20}'), 9)).toBe(0);
  });

  test('$maxAge is in seconds', () => {
    const metadata = parse('{"$maxAge":2}');
    expect(isExpired(metadata, 10_000, 12_000)).toBe(false);
    expect(isExpired(metadata, 10_000, 12_001)).toBe(true);
  });

  test('only the largest $tb means deleted', () => {
    expect(isSoftDeleted(parseStreamMetadata(softDeleteMetadata))).toBe(true);
    expect(isSoftDeleted(parse('{"$tb":9007199254740991}'))).toBe(false);
    expect(isSoftDeleted(parse('{"$tb":9223372036854775806}'))).toBe(false);
    expect(isSoftDeleted(parse('{ "$tb" : 9223372036854775807 }'))).toBe(true);
  });

  test('undeleting keeps the other keys', () => {
    const data = undeletedMetadata(Buffer.from('{"$tb":1,"$maxCount":7,"own":{"a":1}}'), 4);
    expect(JSON.parse(data.toString())).toEqual({ $tb: 4, $maxCount: 7, own: { a: 1 } });
  });
});
