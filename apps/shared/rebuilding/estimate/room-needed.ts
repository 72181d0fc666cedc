import type { BulkLoadOptions } from '../contracts';
import { parallelismOf } from '../threads';
import { roomOf, type ServerRoom } from './resources';
import type { ScratchTargets } from './scratch-targets';
import type { TableEstimate } from './table-estimates';

/** What a database server is asked for, and what it has. */
export interface ServerNeed {
  readonly server: string;
  /** Tiers whose rows go there. */
  readonly tiers: readonly string[];
  /** Rows, indexes, and the log of their changes. */
  readonly bytesNeeded: number;
  /** Null: unknown, since its disk is not this machine's. */
  readonly diskFreeBytes: number | null;
  readonly connectionsNeeded: number;
  readonly connectionsFree: number;
  /** Null: its disk is unknown, and connections are enough. */
  readonly isEnough: boolean | null;
}

/** Of the load itself, and of building indexes with one to cancel them. */
const connectionsBesides = 4;

/** A tier's bytes are spread over its targets evenly, as slots are. */
export async function roomNeeded(
  { all }: ScratchTargets,
  tables: readonly TableEstimate[],
  options: Pick<BulkLoadOptions, 'parallelism' | 'only'>,
): Promise<ServerNeed[]> {
  const { readers, folders } = parallelismOf(options);
  const threads = Math.max(readers, folders);
  const servers = new Map<string, { room: ServerRoom; tiers: Set<string>; bytes: number; targets: number }>();
  for (const { pool, tier } of all) {
    const room = await roomOf(pool);
    const server = servers.get(room.server) ?? { room, tiers: new Set<string>(), bytes: 0, targets: 0 };
    const ofTier = tables.filter((table) => table.tier === tier.tier);
    const targets = all.filter((target) => target.tier === tier).length;
    server.tiers.add(tier.tier);
    server.targets += 1;
    server.bytes += ofTier.reduce((sum, { bytes }) => sum + bytes.high, 0) / targets;
    servers.set(room.server, server);
  }
  return [...servers.values()].map(({ room, tiers, bytes, targets }) => {
    const bytesNeeded = Math.ceil(bytes + room.walMaxBytes);
    const connectionsNeeded = threads * targets + connectionsBesides;
    const { server, diskFreeBytes, connectionsFree } = room;
    const hasConnections = connectionsNeeded <= connectionsFree;
    const hasDisk = diskFreeBytes === null ? null : bytesNeeded <= diskFreeBytes;
    return {
      ...{ server, tiers: [...tiers], bytesNeeded, diskFreeBytes, connectionsNeeded, connectionsFree },
      isEnough: hasConnections && hasDisk !== false ? hasDisk : false,
    };
  });
}
