import { Client } from 'pg';
import type { Tier } from '../../../projections/projection';
import { CommandFailure } from '../command-run';

/**
 * Held as long as its connection lives, so a killed rebuild leaves no lock behind. `lost` is aborted when the connection
 * goes away: from then on another rebuild could begin.
 * Throws {@link CommandFailure} when a rebuild of the tier is under way.
 */
export async function lockRebuild(
  controlUrl: string,
  tier: Tier,
): Promise<{ readonly lost: AbortSignal; release(): Promise<void> }> {
  const lost = new AbortController();
  const client = new Client({
    connectionString: controlUrl,
    application_name: 'mailfold-rebuild',
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
  });
  client.on('error', () => lost.abort(new Error('the lock of the rebuild was lost with its connection')));
  await client.connect();
  const { rows } = await client.query<{ locked: boolean }>(
    `select pg_try_advisory_lock(hashtext('mailfold rebuild'), hashtext($1)) as locked`,
    [tier],
  );
  if (rows[0]?.locked !== true) {
    await client.end();
    throw new CommandFailure(`a rebuild of ${tier} is under way already`);
  }
  return { lost: lost.signal, release: () => client.end() };
}
