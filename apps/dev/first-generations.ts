import { migrate } from '../shared/postgres/migrate';

type TierUrls = Readonly<
  Record<'OLTP_DATABASE_URL' | 'CONTENT_DATABASE_URL' | 'OLAP_DATABASE_URL' | 'QUEUE_DATABASE_URL', string>
>;

/** Gives each tier its first generation where it has none. */
export async function createFirstGenerations(urls: TierUrls): Promise<void> {
  await Promise.all([
    migrate(urls.OLTP_DATABASE_URL, 'oltp', { schema: 'g1' }),
    migrate(urls.CONTENT_DATABASE_URL, 'content', { schema: 'g1' }),
    migrate(urls.OLAP_DATABASE_URL, 'olap', { schema: 'g1' }),
    migrate(urls.QUEUE_DATABASE_URL, 'queue', { schema: 'g1' }),
  ]);
}
