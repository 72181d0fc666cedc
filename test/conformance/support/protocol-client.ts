import { GossipService } from '@eventstore/db-client/generated/gossip_grpc_pb';
import type { ClusterInfo } from '@eventstore/db-client/generated/gossip_pb';
import { ServerFeaturesService } from '@eventstore/db-client/generated/serverfeatures_grpc_pb';
import type { SupportedMethods } from '@eventstore/db-client/generated/serverfeatures_pb';
import { StreamsService } from '@eventstore/db-client/generated/streams_grpc_pb';
import type {
  AppendResp,
  BatchAppendResp,
  DeleteResp,
  ReadResp,
  TombstoneResp,
} from '@eventstore/db-client/generated/streams_pb';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';
import { RpcCall, type Request, type RpcMethod } from './rpc-call';
import type { ServerAddress } from './server-address';

/** The calls of the protocol itself, for requests the official client cannot make and answers it does not show. */
export class ProtocolClient {
  private readonly grpc: Client;
  private readonly metadata = new Metadata();
  private readonly calls: RpcCall<unknown>[] = [];

  /** `authorization` replaces what the address says; `null` sends none. */
  constructor(address: ServerAddress, authorization: string | null = address.authorization) {
    const channel =
      address.caFile === undefined
        ? address.isSecure
          ? credentials.createSsl()
          : credentials.createInsecure()
        : credentials.createSsl(readFileSync(address.caFile));
    this.grpc = new Client(address.host, channel, { 'grpc.max_receive_message_length': 17 * 1024 * 1024 });
    if (authorization !== null) this.metadata.set('authorization', authorization);
  }

  append(...requests: Request[]): RpcCall<AppendResp> {
    return this.call(StreamsService.append, requests).halfClose();
  }

  /** Stays open for further messages. */
  batchAppend(...requests: Request[]): RpcCall<BatchAppendResp> {
    return this.call(StreamsService.batchAppend, requests);
  }

  read(request: Request): RpcCall<ReadResp> {
    return this.call(StreamsService.read, [request]).halfClose();
  }

  delete(request: Request): RpcCall<DeleteResp> {
    return this.call(StreamsService.delete, [request]).halfClose();
  }

  tombstone(request: Request): RpcCall<TombstoneResp> {
    return this.call(StreamsService.tombstone, [request]).halfClose();
  }

  supportedMethods(): RpcCall<SupportedMethods> {
    return this.call(ServerFeaturesService.getSupportedMethods, [Buffer.alloc(0)]).halfClose();
  }

  gossip(): RpcCall<ClusterInfo> {
    return this.call(GossipService.read, [Buffer.alloc(0)]).halfClose();
  }

  /** A method that need not exist. */
  any(path: string): RpcCall<Buffer> {
    return this.call({ path, responseDeserialize: (bytes) => bytes }, [Buffer.alloc(0)]).halfClose();
  }

  /** Ends what still runs. */
  close(): void {
    for (const call of this.calls) call.cancel();
    this.grpc.close();
  }

  private call<Response>(method: RpcMethod<Response>, requests: Request[]): RpcCall<Response> {
    const call = new RpcCall(this.grpc, method, this.metadata);
    this.calls.push(call);
    return call.send(...requests);
  }
}
