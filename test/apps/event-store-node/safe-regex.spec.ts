import { GrpcError } from '../../../apps/event-store-node/grpc/grpc-status';
import { compileRegex } from '../../../apps/event-store-node/subscriptions/safe-regex';

describe('filter expressions', () => {
  test.each([
    ['^(?!\\$|MessageContentStored$)', 'MessageReceived', true],
    ['^(?!\\$|MessageContentStored$)', 'MessageContentStored', false],
    ['^(?!\\$|MessageContentStored$)', '$metadata', false],
    ['^[^\\$].*', 'Anything', true],
    ['^[^\\$].*', '$streamDeleted', false],
    ['Received|Sent', 'MessageSent', true],
    ['^conversation-[0-9a-f]{32}\\.', `conversation-${'a'.repeat(32)}.b`, true],
  ])('%s on %s', (pattern, text, matches) => {
    expect(compileRegex(pattern)(text)).toBe(matches);
  });

  test.each([
    '(a+)+$',
    '(a|a)*b',
    '((a*)x)+',
    '(?:a{1,}){2,}',
    '(a)\\1',
    '.*.*.*.*x',
    'a('.padEnd(600, 'a'),
    '[',
  ])('refuses %s', (pattern) => expect(() => compileRegex(pattern)).toThrow(GrpcError));

  test('what is too long to test is delivered rather than lost', () => {
    expect(compileRegex('^never$')('x'.repeat(257))).toBe(true);
  });
});
