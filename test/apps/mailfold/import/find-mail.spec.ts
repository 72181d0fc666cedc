import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findMail } from '../../../../apps/mailfold/import/find-mail';

describe('finding mail', () => {
  let root: string;
  beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'mf-find-'))));
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function found(path = root): Promise<string[]> {
    const names: string[] = [];
    for await (const each of findMail(path))
      names.push('skipped' in each ? `${each.name}: ${each.skipped}` : `${each.name} ${each.format}`);
    return names;
  }

  it('walks folders in a fixed order and tells mail by its content', async () => {
    mkdirSync(join(root, 'cur'));
    writeFileSync(
      join(root, 'cur', '1700000000.M1.host:2,S'),
      'Return-Path: <a@example.com>\nSubject: x\n\nx',
    );
    writeFileSync(join(root, 'a.mbox'), 'From a@example.com Fri Feb 22 23:00:00 2008\nSubject: x\n\nx\n');
    writeFileSync(join(root, 'notes.txt'), 'Remember the milk: two bottles.\n');
    writeFileSync(join(root, 'b.eml'), 'no header at all');
    writeFileSync(join(root, 'empty'), '');
    expect(await found()).toEqual([
      'a.mbox mbox',
      'b.eml message',
      'cur/1700000000.M1.host:2,S message',
      'empty: empty',
      'notes.txt: not mail',
    ]);
  });

  it('reads headers whose lines end in CR alone', async () => {
    writeFileSync(join(root, 'mac'), 'X-One: 1\rSubject: x\r\rbody');
    expect(await found()).toEqual(['mac message']);
  });

  it('takes no prose that begins with "From" for an mbox', async () => {
    writeFileSync(join(root, 'prose'), 'From here to there it takes a day.\n');
    expect(await found()).toEqual(['prose: not mail']);
  });

  it('sends a file that is named itself, whatever it holds', async () => {
    writeFileSync(join(root, 'anything'), 'bytes');
    expect(await found(join(root, 'anything'))).toEqual(['anything message']);
  });

  it('keeps an .eml whole that was cut out of an mbox', async () => {
    writeFileSync(join(root, 'x.eml'), 'From a@example.com Fri Feb 22 23:00:00 2008\nSubject: x\n\nx\n');
    expect(await found()).toEqual(['x.eml message']);
  });

  // Nothing is closed to root.
  const asUser = process.getuid?.() === 0 ? it.skip : it;
  asUser('goes on past a folder that is closed to it', async () => {
    mkdirSync(join(root, 'closed'), { mode: 0o000 });
    writeFileSync(join(root, 'open.eml'), 'Subject: x\n\nx');
    expect(await found()).toEqual(['closed: cannot be read (EACCES)', 'open.eml message']);
  });

  asUser(
    'marks what may be mail that it was kept from reading, so that an import does not end as if all were in',
    async () => {
      writeFileSync(join(root, 'secret.eml'), 'Subject: x\n\nx', { mode: 0o000 });
      writeFileSync(join(root, 'notes.bin'), 'no mail');
      const unreadable: string[] = [];
      for await (const each of findMail(root))
        if ('skipped' in each && each.unreadable) unreadable.push(each.name);
      expect(unreadable).toEqual(['secret.eml']);
    },
  );

  it('names a symbolic link instead of following it', async () => {
    symlinkSync('/', join(root, 'loop'));
    expect(await found()).toEqual(['loop: not a regular file']);
  });
});
