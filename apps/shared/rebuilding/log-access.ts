import { connectionSettings } from '../event-store/connection-settings';
import type { LogToRead } from './contracts';
import type { LogAccess } from './scan/reader-connections';

/** How threads come to the log. Throws for a URL that says nothing, and for files it names that are not there. */
export function logAccess({ eventStoreUrl, keysDatabaseUrl, rootKey }: LogToRead): LogAccess {
  return { connection: connectionSettings(eventStoreUrl), keysDatabaseUrl, rootKey };
}
