import type { GrpcCall } from '../grpc/grpc-call';
import { delimitedField, message } from '../../shared/protobuf/protobuf-writer';
import { framed } from '../../shared/grpc/message-framing';

/** The server version whose semantics this node follows (event-store.md §4). */
export const followedVersion = '24.2.0';
const streamsService = 'event_store.client.streams.streams';
const methods: readonly (readonly [method: string, ...features: string[]])[] = [
  ['read', 'position', 'events'],
  ['append'],
  ['delete'],
  ['tombstone'],
  ['batchappend', 'deadline_duration'],
];

/** `SupportedMethods { 1 methods { 1 method, 2 service, 3 features* }, 2 version }`. What is not listed, clients refuse. */
const supportedMethods = framed(
  message(
    ...methods.map(([method, ...features]) =>
      delimitedField(
        1,
        message(
          delimitedField(1, method),
          delimitedField(2, streamsService),
          ...features.map((feature) => delimitedField(3, feature)),
        ),
      ),
    ),
    delimitedField(2, followedVersion),
  ),
);

export async function getSupportedMethods(call: GrpcCall): Promise<void> {
  await call.messages();
  call.push(supportedMethods);
  call.end();
}
