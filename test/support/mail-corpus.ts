import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface CorpusFile {
  path: string;
  bytes: Buffer;
}

/** A mail corpus read from the folder that MAIL_CORPUS names; every file is checked against the manifest's sha256. */
export class MailCorpus {
  private readonly digests: Map<string, string>;

  constructor(private readonly root: string) {
    const rows = readFileSync(join(root, 'MANIFEST.tsv'), 'utf8').split('\n').slice(1);
    this.digests = new Map(
      rows.map((row) => row.split('\t')).map(([path = '', digest = '']) => [path, digest]),
    );
  }

  read(path: string): Buffer {
    const digest = this.digests.get(path);
    const bytes = readFileSync(join(this.root, path));
    if (createHash('sha256').update(bytes).digest('hex') !== digest)
      throw new Error(`${path} is not the file of MANIFEST.tsv`);
    return bytes;
  }

  /** Single messages below the folder: not mailboxes of several, not the expectations beside them. */
  *messages(folder: string): Generator<CorpusFile> {
    for (const path of this.digests.keys()) {
      if (path.startsWith(folder) && isMessage(path)) yield { path, bytes: this.read(path) };
    }
  }
}

/** Runs the block with the corpus, or reports it as skipped in plain words: a missing corpus never counts as a pass. */
export function describeWithCorpus(name: string, block: (corpus: MailCorpus) => void): void {
  const root = process.env['MAIL_CORPUS'];
  if (root !== undefined && existsSync(join(root, 'MANIFEST.tsv')))
    describe(name, () => block(new MailCorpus(root)));
  else
    describe(name, () =>
      it.skip('skipped: MAIL_CORPUS is not set, mail corpus tests did not run', () => undefined),
    );
}

function isMessage(path: string): boolean {
  return /\.(?:eml|msg)$/.test(path) || /\/mbox\.rlug-\d$/.test(path);
}
