import { baseSubject, normaliseMessageId, parseMessageIds } from '../../domain/message-identity';
import { cpuTimeMs } from '../support/cpu-time';

describe('normalising a Message-ID', () => {
  it.each([
    ['<Abc.1@Mail.Example.ORG>', 'Abc.1@mail.example.org'],
    ['  <a@b>\r\n', 'a@b'],
    ['a@B', 'a@b'],
    ['(sent by <x@y>) <a@b> (really)', 'a@b'],
    ['<a (not a comment)@b>', 'a(notacomment)@b'],
    ['<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', '01KF8JCEOCBS0045PS@xxx.yyy.com'],
    ['<long\r\n left@b>', 'longleft@b'],
    ['<a@b@C>', 'a@b@c'],
    ['<no-domain-HERE>', 'no-domain-HERE'],
    ['<a\u0000@b>', 'a@b'],
    ['<a@b', 'a@b'],
  ])('reads %j as %j', (raw, expected) => {
    expect(normaliseMessageId(raw)).toBe(expected);
  });

  it.each([[''], ['<>'], [' \t'], ['(only a comment)'], [`<${'a'.repeat(999)}@b>`]])(
    'finds no id in %j',
    (raw) => {
      expect(normaliseMessageId(raw)).toBeNull();
    },
  );

  it('is its own result', () => {
    const once = normaliseMessageId('<"A\\"b"@X>') ?? '';
    expect(normaliseMessageId(once)).toBe(once);
  });
});

describe('reading References and In-Reply-To', () => {
  it.each([
    ['<a@b> <c@d>\r\n\t<e@F>', ['a@b', 'c@d', 'e@f']],
    ['<a@b><c@d>,<a@b>', ['a@b', 'c@d']],
    ['Your message of "Fri, 1 Jan" <a@b>', ['a@b']],
    ['<a@b> (from <joe@x>)', ['a@b']],
    ['<a@b> (unclosed <c@d>', ['a@b', 'c@d']],
    ['<a@b> <c@d', ['a@b', 'c@d']],
    ['<broken <c@d>', ['c@d']],
    ['a@b, c@d', ['a@b', 'c@d']],
    ['no ids here', []],
    ['', []],
  ])('reads %j', (value, expected) => {
    expect(parseMessageIds(value)).toEqual(expected);
  });

  it.each([['<'], ['('], ['(<'], ['<a@b> '], ['()'], [')'], ['a@b '], ['>']])(
    'reads 575 KB of %j in linear time',
    async (garbage) => {
      const value = garbage.repeat(Math.ceil(575_000 / garbage.length));
      expect(await cpuTimeMs(() => parseMessageIds(value))).toBeLessThan(1_000);
    },
  );
});

describe('the base subject of RFC 5256', () => {
  it.each([
    ['Hello', 'Hello', false],
    ['Re: Hello', 'Hello', true],
    ['RE: re: FW: Fwd: Hello', 'Hello', true],
    ['Re[2]: Hello', 'Hello', true],
    ['[list] Re: [list] Hello', 'Hello', true],
    ['[list] Hello', 'Hello', false],
    ['[only] [tags]', '[tags]', false],
    ['Hello (fwd)', 'Hello', true],
    ['Hello (fwd) (FWD) ', 'Hello', true],
    ['[Fwd: Re: Hello]', 'Hello', true],
    ['[fwd: [fwd: Hello (fwd)]]', 'Hello', true],
    ['Re  : Hello', 'Hello', true],
    ['Regarding: Hello', 'Regarding: Hello', false],
    ['Re Hello', 'Re Hello', false],
    ['  a \t b\r\n c ', 'a b c', false],
    ['Re:', '', true],
    ['', '', false],
    ['[unclosed tag', '[unclosed tag', false],
  ])('of %j is %j', (subject, base, isReply) => {
    expect(baseSubject(subject)).toEqual({ base, isReply });
  });

  it.each([['[a]'], ['re:'], ['[fwd:'], ['(fwd)'], ['[ '], ['re ['], ['[a] re [b]: ']])(
    'of 250 KB of %j is found in linear time',
    async (garbage) => {
      const times = 250_000 / garbage.length;
      const wrapped = `${'[fwd:'.repeat(25_000)}${garbage.repeat(25_000)}${']'.repeat(25_000)}`;
      for (const subject of [`${garbage.repeat(times)}x`, `x${garbage.repeat(times)}`, wrapped]) {
        expect(await cpuTimeMs(() => baseSubject(subject))).toBeLessThan(1_000);
      }
    },
  );
});
