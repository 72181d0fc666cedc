import { randomUUID } from 'node:crypto';
import type { GrpcCall } from '../grpc/grpc-call';
import { delimitedField, int64Field, message, varintField } from '../../shared/protobuf/protobuf-writer';
import { framed } from '../../shared/grpc/message-framing';
import { uuidMessage } from '../wire/uuid';

const leaderState = 8;
const instanceId = randomUUID();

/** `ClusterInfo { 1 members* }`: a cluster of one, reached where the asking client has reached it. */
export async function readGossip(call: GrpcCall): Promise<void> {
  await call.messages();
  const { address, port } = call.endpoint;
  const member = message(
    delimitedField(1, uuidMessage(instanceId, 'structured')),
    int64Field(2, BigInt(Date.now()) * 10_000n),
    varintField(3, leaderState),
    varintField(4, 1),
    delimitedField(5, message(delimitedField(1, address), varintField(2, port))),
  );
  call.push(framed(delimitedField(1, member)));
  call.end();
}
