import type { Client, ClientDuplexStream, Metadata, StatusObject } from '@grpc/grpc-js';
import { within } from './within';

/** A message of the client's generated code, or bytes that stand for one it cannot build. */
export type Request = Buffer | { serializeBinary(): Uint8Array };

export interface RpcMethod<Response> {
  readonly path: string;
  readonly responseDeserialize: (bytes: Buffer) => Response;
}

const endTimeoutMs = 15_000;

/**
 * One gRPC call, seen as the protocol sees it: messages there, messages back, a status at the end. On the wire unary and
 * streaming calls are the same, so one shape serves all of them.
 */
export class RpcCall<Response> {
  /** What has come so far, in order. */
  readonly messages: Response[] = [];
  private readonly stream: ClientDuplexStream<Request, Response>;
  private readonly status: Promise<StatusObject>;

  constructor(client: Client, method: RpcMethod<Response>, metadata: Metadata) {
    this.stream = client.makeBidiStreamRequest(
      method.path,
      (request: Request) => (Buffer.isBuffer(request) ? request : Buffer.from(request.serializeBinary())),
      method.responseDeserialize,
      metadata,
    );
    this.stream.on('data', (message: Response) => this.messages.push(message));
    this.stream.on('error', () => undefined);
    this.status = new Promise((resolve) => this.stream.once('status', resolve));
  }

  send(...requests: Request[]): this {
    for (const request of requests) this.stream.write(request);
    return this;
  }

  halfClose(): this {
    this.stream.end();
    return this;
  }

  cancel(): void {
    this.stream.cancel();
  }

  /** Stops taking messages, so that the server's flow-control window fills up. */
  pause(): void {
    this.stream.pause();
  }

  /** The final status; its metadata are the trailers. */
  async end(timeoutMs = endTimeoutMs): Promise<StatusObject> {
    return within(timeoutMs, 'the end of the call', this.status);
  }
}

/** The trailer that tells clients which of their exceptions to raise. */
export function exceptionOf(status: StatusObject): string | undefined {
  return trailer(status, 'exception');
}

export function trailer(status: StatusObject, name: string): string | undefined {
  return status.metadata.get(name)[0]?.toString();
}
