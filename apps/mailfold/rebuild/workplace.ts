import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import type { Pool } from 'pg';
import { z } from 'zod';
import { sharedVariables } from '../../shared/config/databases';
import { loadConfig } from '../../shared/config/load-config';
import { tierDatabaseUrls } from '../../shared/config/tier-databases';
import type { EventStore } from '../../shared/event-store/event-store';
import { urlNamed, type DatabaseUrls } from '../../shared/generations/generations';
import type { DatabaseRole } from '../../shared/postgres/roles';
import { codeVersion } from '../code-version';
import { controlUrl, logAccess, openLog, openPool, type LogAccess } from '../connections';

/** What runs work with: the control database, the log and the databases of the tiers. Opened when first used. */
export interface Workplace {
  readonly control: Pool;
  readonly controlUrl: string;
  readonly urls: DatabaseUrls;
  readonly codeVersion: string;
  /** How many lanes share the slots of each target that a run makes. */
  readonly lanes: number;
  /** See give-way.ts. */
  readonly niceness: number;
  /** Names this process to others: user, host and process id. */
  readonly owner: string;
  /** As owner, for schemas and checkpoints, or in a role. Throws when the variable is not set. */
  pool(databaseRef: string, role?: DatabaseRole): Pool;
  store(): EventStore;
  /** Plain data, for workers that open the log themselves. */
  log(): LogAccess;
  /** Where a run keeps its files: its spool while it is filled, its certificates afterwards. */
  runFolder(run: number): string;
  /** The spool of an estimate. One is made at a time. */
  readonly estimateFolder: string;
}

/** `onEnd` is told how to close what was opened. */
export function openWorkplace(place: { readonly onEnd: (close: () => unknown) => void }): Workplace {
  const url = controlUrl();
  const urls = tierDatabaseUrls();
  const {
    DATA_DIR,
    PROJECTOR_LANES: lanes,
    REBUILD_NICENESS: niceness,
  } = loadConfig(
    z.object({
      DATA_DIR: sharedVariables.DATA_DIR,
      PROJECTOR_LANES: sharedVariables.PROJECTOR_LANES,
      REBUILD_NICENESS: sharedVariables.REBUILD_NICENESS,
    }),
  );
  const folder = join(resolve(DATA_DIR), 'rebuild');
  const pools = new Map<string, Pool>();
  let store: EventStore | undefined;
  return {
    control: openPool(place, url),
    controlUrl: url,
    urls,
    codeVersion: codeVersion(),
    ...{ lanes, niceness },
    owner: `${process.env['USER'] ?? 'mailfold'}@${hostname()} process ${process.pid}`,
    pool: (databaseRef, role) => {
      const name = `${databaseRef} ${role ?? ''}`;
      const pool = pools.get(name) ?? openPool(place, urlNamed(urls, databaseRef), role);
      pools.set(name, pool);
      return pool;
    },
    store: () => (store ??= openLog(place)),
    log: logAccess,
    runFolder: (run) => join(folder, `run-${run}`),
    estimateFolder: join(folder, 'estimate'),
  };
}
