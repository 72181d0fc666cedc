import { randomUUID } from 'node:crypto';
import type { LogWriter } from './log-writer';
import { metastreamOf } from './stream-names';

const scavengesStream = '$scavenges';
const historyMaxAgeS = 30 * 24 * 3_600;

/**
 * The one event of a fresh log, as a real node writes it: how long the history of scavenges is kept. No reader may take an
 * empty `$all` for granted, so ours is not empty either. Throws when it could not be written.
 */
export async function beginLog(writer: LogWriter): Promise<void> {
  const outcome = await writer.execute({
    kind: 'append',
    streamName: metastreamOf(scavengesStream),
    expected: { kind: 'noStream' },
    events: [
      {
        id: randomUUID(),
        type: '$metadata',
        isJson: true,
        customMetadata: Buffer.alloc(0),
        data: Buffer.from(JSON.stringify({ $maxAge: historyMaxAgeS })),
      },
    ],
    deadlineAtMs: Infinity,
  });
  if (outcome.kind !== 'written') throw new Error(`The log could not be begun: ${outcome.kind}`);
}
