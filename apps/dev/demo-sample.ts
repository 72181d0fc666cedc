import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * What must come out of sample/inbox.mbox: its mails by their place in the file, counted from 1. Whichever copy of a
 * duplicate comes first is the message; the answer names the same one for both.
 */
export const sample = {
  mails: 40,
  accepted: 38,
  duplicates: [[1, 6]],
  parked: [21],
  bounces: [20],
  autoReplies: [19],
  /** Between which they were received, both included. */
  days: ['2025-03-01', '2025-03-31'],
  /** The conversations, each as the mails in it. */
  conversations: {
    'a cargo bike: a reply overtakes the one it answers, one names its parent in In-Reply-To alone': [
      1, 3, 4, 5, 19, 32,
    ],
    'an invoice, with an attachment': [2, 22, 23, 24],
    'a brake recall, in HTML with a script': [7, 8, 34],
    'opening hours': [9],
    'opening hours again: the same subject, but no reply': [35],
    'a tandem: the mail that began it never came': [10, 11, 38],
    'a light: two threads until a late mail joins them': [12, 13, 14],
    'two orders under one Message-ID': [15, 16],
    'a chain, in two charsets': [17, 18],
    'a bounce': [20],
    'a logo, inline': [25],
    'statistics without Message-ID': [26],
    'a ride, delivered in reverse': [27, 28, 29, 30, 31],
    'an application': [33],
    'a newsletter': [36],
    'a forward': [37],
    'a pump': [39, 40],
  },
  /** Mails the demo looks into. */
  cargo: 1,
  invoice: 2,
  brake: 7,
  hours: 9,
} as const;

/** The same file from the sources and from dist/. */
export function samplePath(): string {
  for (let folder = __dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'apps', 'dev', 'sample', 'inbox.mbox');
    if (existsSync(candidate)) return candidate;
  }
  throw new Error('apps/dev/sample/inbox.mbox is missing');
}
