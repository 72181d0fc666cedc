import { ProtobufReader } from '../protobuf/protobuf-reader';
import { emptyMessage } from '../protobuf/protobuf-writer';
import type { ConnectionSettings, NodeAddress, NodePreference } from './connection-settings';
import { NodeConnection } from './node-connection';

const gossipPath = '/event_store.client.gossip.Gossip/Read';

/** `MemberInfo.VNodeState`; the other states serve nobody. */
const memberState = {
  follower: 6,
  leader: 8,
  readOnlyLeaderless: 12,
  preReadOnlyReplica: 13,
  readOnlyReplica: 14,
};
const statesByPreference: Readonly<Record<NodePreference, readonly number[]>> = {
  leader: [memberState.leader],
  follower: [memberState.follower],
  read_only_replica: [
    memberState.readOnlyReplica,
    memberState.preReadOnlyReplica,
    memberState.readOnlyLeaderless,
  ],
  random: Object.values(memberState),
};

interface Member extends NodeAddress {
  readonly state: number;
  readonly isAlive: boolean;
}

/**
 * The node to talk to: the only host of the URL, or what the first member of the cluster that answers knows as the
 * preferred one. Falls back to any other that serves, as the official client does. Throws when no host answers.
 */
export async function findNode(settings: ConnectionSettings): Promise<NodeAddress> {
  const [only] = settings.hosts;
  if (!settings.isDiscovered && only) return only;
  const failures: unknown[] = [];
  for (const host of shuffled(settings.hosts)) {
    try {
      const best = preferredMember(await membersKnownTo(host, settings), settings.nodePreference);
      if (best) return best;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new AggregateError(failures, 'no member of the event store cluster can be reached');
}

async function membersKnownTo(host: NodeAddress, settings: ConnectionSettings): Promise<Member[]> {
  const connection = new NodeConnection(settings, host);
  try {
    const members: Member[] = [];
    const options = { path: gossipPath, request: emptyMessage, silenceMs: settings.gossipTimeoutMs };
    for await (const messages of connection.call(options)) members.push(...messages.flatMap(readClusterInfo));
    return members;
  } finally {
    connection.close();
  }
}

function preferredMember(members: readonly Member[], preference: NodePreference): Member | undefined {
  const serving = shuffled(members).filter(
    ({ isAlive, state }) => isAlive && statesByPreference.random.includes(state),
  );
  return serving.find(({ state }) => statesByPreference[preference].includes(state)) ?? serving[0];
}

/** `ClusterInfo { 1 members* }`. */
function readClusterInfo(message: Buffer): Member[] {
  const members: Member[] = [];
  const reader = new ProtobufReader(message);
  while (reader.next()) if (reader.field === 1) members.push(readMember(reader.message()));
  return members;
}

/** `MemberInfo { 3 state, 4 is_alive, 5 http_end_point { 1 address, 2 port } }`. */
function readMember(reader: ProtobufReader): Member {
  let state = 0;
  let isAlive = false;
  let address = '';
  let port = 0;
  while (reader.next()) {
    if (reader.field === 3) state = reader.varint();
    else if (reader.field === 4) isAlive = reader.bool();
    else if (reader.field === 5) {
      const endpoint = reader.message();
      while (endpoint.next()) {
        if (endpoint.field === 1) address = endpoint.string();
        else if (endpoint.field === 2) port = endpoint.varint();
      }
    }
  }
  return { state, isAlive, address, port };
}

function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .sort((left, right) => left.place - right.place)
    .map(({ item }) => item);
}
