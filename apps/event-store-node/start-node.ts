import type { Logger } from '../shared/process/log';
import { basicAuthentication, grantAll } from './grpc/credentials';
import { GrpcServer, type GrpcHandler, type GrpcHandlers } from './grpc/grpc-server';
import { accessDeniedError } from './grpc/grpc-status';
import { beginLog } from './log/fresh-log';
import { firstPosition } from './log/log-row';
import { LogWriter } from './log/log-writer';
import { StreamStates } from './log/stream-states';
import { WriterConnection } from './log/writer-connection';
import { appendHandler } from './rpc/append';
import { batchAppendHandler } from './rpc/batch-append';
import { deleteHandler } from './rpc/delete';
import { readGossip } from './rpc/gossip';
import { readHandler } from './rpc/read';
import { getSupportedMethods } from './rpc/server-features';
import type { NodeSecurity } from './security';
import { LogReader } from './storage/log-reader';

export interface NodeOptions {
  readonly databaseUrl: string;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** `undefined`: in the clear, and open to everybody who can reach the port. */
  readonly security: NodeSecurity | undefined;
  readonly log: Logger;
  /** Aborted when the process is told to stop, so that a node waiting for the lock stops too. */
  readonly signal: AbortSignal;
  /** Another node writes to the database: this one must not go on. */
  readonly onFenced: () => void;
}

export interface RunningNode {
  readonly port: number;
  /** Takes no new calls, answers the pending appends, ends the rest with UNAVAILABLE. */
  stop(): Promise<void>;
}

/** Resolves once the node is the one writer of its database and listens. */
export async function startNode({
  databaseUrl,
  host,
  port,
  security,
  log,
  signal,
  onFenced,
}: NodeOptions): Promise<RunningNode> {
  const states = new StreamStates();
  const connection = await WriterConnection.open(databaseUrl, log, states, onFenced, signal);
  const reader = new LogReader(databaseUrl, connection.durable, log);
  const writer = new LogWriter(connection, states, connection.durable, log);
  if (connection.durable.position < firstPosition) await beginLog(writer);
  const server = new GrpcServer(handlers(writer, reader), log, {
    tls: security?.tls,
    authenticate: security === undefined ? grantAll : basicAuthentication(security.credentials),
  });
  const listeningPort = await server.listen(host, port);
  return {
    port: listeningPort,
    stop: async () => {
      server.stopAccepting();
      await writer.stop();
      await server.close();
      await connection.close();
      await reader.close();
    },
  };
}

/** A client without rights is told so before anything else; BatchAppend tells it per append instead. */
function authorized(handler: GrpcHandler): GrpcHandler {
  return (call) => {
    if (call.access !== 'granted') throw accessDeniedError();
    return handler(call);
  };
}

/** ServerFeatures and Gossip answer everybody: the client asks them before it says who it is. */
function handlers(writer: LogWriter, reader: LogReader): GrpcHandlers {
  const streams = '/event_store.client.streams.Streams';
  return {
    '/event_store.client.server_features.ServerFeatures/GetSupportedMethods': getSupportedMethods,
    '/event_store.client.gossip.Gossip/Read': readGossip,
    [`${streams}/Append`]: authorized(appendHandler(writer)),
    [`${streams}/BatchAppend`]: batchAppendHandler(writer),
    [`${streams}/Read`]: authorized(readHandler(reader)),
    [`${streams}/Delete`]: authorized(deleteHandler(writer, 'delete')),
    [`${streams}/Tombstone`]: authorized(deleteHandler(writer, 'tombstone')),
  };
}
