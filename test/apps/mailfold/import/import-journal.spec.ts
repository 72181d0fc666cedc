import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openJournal } from '../../../../apps/mailfold/import/import-journal';

describe('the journal of an import', () => {
  const entry = { name: 'a.eml', sha256: 'aa', outcome: 'accepted', messageId: 'm1' };
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mf-journal-'));
    path = join(folder, 'journal');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(...names: string[]): void {
    const journal = openJournal(path, 'box');
    for (const name of names) journal.add({ ...entry, name });
    journal.close();
  }
  function has(name: string, sha256 = 'aa', mailboxId = 'box'): boolean {
    const journal = openJournal(path, mailboxId);
    const found = journal.has(name, sha256);
    journal.close();
    return found;
  }

  it('remembers what is done across runs, by name, content and mailbox', () => {
    write('a.eml');
    write('b.eml');
    expect([has('a.eml'), has('b.eml'), has('c.eml')]).toEqual([true, true, false]);
    expect(has('a.eml', 'other bytes')).toBe(false);
    expect(has('a.eml', 'aa', 'other box')).toBe(false);
  });

  it('forgets a line that a crash cut short, at each of its bytes, and goes on behind it', () => {
    write('a.eml', 'b.eml');
    const whole = readFileSync(path);
    const firstLine = whole.indexOf('\n') + 1;
    for (let size = firstLine + 1; size < whole.length - 1; size += 7) {
      writeFileSync(path, whole);
      truncateSync(path, size);
      expect([has('a.eml'), has('b.eml')]).toEqual([true, false]);
      write('c.eml');
      expect([has('a.eml'), has('c.eml')]).toEqual([true, true]);
    }
  });

  it('refuses a file that is something else', () => {
    appendFileSync(path, 'a letter\nto nobody\nat all\n');
    expect(() => openJournal(path, 'box')).toThrow(/is not an import journal: line 1/);
  });
});
