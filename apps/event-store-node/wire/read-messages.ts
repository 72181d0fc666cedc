import { framed } from '../../shared/grpc/message-framing';
import { ProtobufReader } from '../../shared/protobuf/protobuf-reader';
import { delimitedField, emptyMessage, message, varintField } from '../../shared/protobuf/protobuf-writer';
import { readStreamIdentifier, streamIdentifierMessage } from './append-messages';

export type ReadFrom =
  { readonly kind: 'start' } | { readonly kind: 'end' } | { readonly kind: 'at'; readonly at: number };
export interface FilterOptions {
  readonly field: 'streamName' | 'eventType' | undefined;
  readonly regex: string;
  readonly prefixes: readonly string[];
  /** Events looked at per window. `undefined`: the request named none. */
  readonly windowMax: number | 'count' | undefined;
  readonly checkpointMultiplier: number;
}
export interface ReadRequest {
  readonly source: 'stream' | 'all' | undefined;
  /** Empty for `$all`. */
  readonly streamName: string;
  readonly from: ReadFrom;
  readonly backwards: boolean;
  readonly isSubscription: boolean;
  /** `undefined` where the request names none. */
  readonly countMax: number | undefined;
  readonly filter: FilterOptions | undefined;
  readonly structuredIds: boolean;
  /** Whether an event that points at another is sent together with it. */
  readonly resolveLinks: boolean;
  /** Whether a read of a stream ends with where the stream begins and ends. */
  readonly wantsStreamPositions: boolean;
}

/** `ReadReq { 1 options { ... } }`, field numbers as in the comments of each branch. */
export function readReadRequest(body: Buffer): ReadRequest {
  const outer = new ProtobufReader(body);
  let options: ProtobufReader | undefined;
  while (outer.next()) if (outer.field === 1) options = outer.message();
  const request = {
    source: undefined as ReadRequest['source'],
    streamName: '',
    from: { kind: 'start' } as ReadFrom,
    backwards: false,
    isSubscription: false,
    countMax: undefined as number | undefined,
    filter: undefined as FilterOptions | undefined,
    structuredIds: true,
    resolveLinks: false,
    wantsStreamPositions: false,
  };
  while (options?.next()) {
    if (options.field === 1)
      Object.assign(request, { source: 'stream', ...readStreamOptions(options.message()) });
    else if (options.field === 2)
      Object.assign(request, { source: 'all', from: readAllOptions(options.message()) });
    else if (options.field === 3) request.backwards = options.varint() === 1;
    else if (options.field === 4) request.resolveLinks = options.bool();
    else if (options.field === 5) request.countMax = options.varint();
    else if (options.field === 6) request.isSubscription = true;
    else if (options.field === 7) request.filter = readFilterOptions(options.message());
    else if (options.field === 9) request.structuredIds = !hasField(options.message(), 2);
    else if (options.field === 10) request.wantsStreamPositions = firstVarint(options.message()) >= 1;
  }
  return request;
}

/** `StreamOptions { 1 stream, 2 revision | 3 start | 4 end }`. */
function readStreamOptions(reader: ProtobufReader): { streamName: string; from: ReadFrom } {
  let streamName = '';
  let from: ReadFrom = { kind: 'start' };
  while (reader.next()) {
    if (reader.field === 1) streamName = readStreamIdentifier(reader.message());
    else if (reader.field === 2) from = { kind: 'at', at: reader.varint() };
    else if (reader.field === 3) from = { kind: 'start' };
    else if (reader.field === 4) from = { kind: 'end' };
  }
  return { streamName, from };
}

/** `AllOptions { 1 position { 1 commit, 2 prepare } | 2 start | 3 end }`. */
function readAllOptions(reader: ProtobufReader): ReadFrom {
  let from: ReadFrom = { kind: 'start' };
  while (reader.next()) {
    if (reader.field === 1) from = { kind: 'at', at: firstVarint(reader.message()) };
    else if (reader.field === 2) from = { kind: 'start' };
    else if (reader.field === 3) from = { kind: 'end' };
  }
  return from;
}

/** `FilterOptions { 1 stream_identifier | 2 event_type, 3 max | 4 count, 5 checkpointIntervalMultiplier }`. */
function readFilterOptions(reader: ProtobufReader): FilterOptions {
  let field: FilterOptions['field'];
  let expression = { regex: '', prefixes: [] as string[] };
  let windowMax: FilterOptions['windowMax'];
  let checkpointMultiplier = 0;
  while (reader.next()) {
    if (reader.field === 1 || reader.field === 2) {
      field = reader.field === 1 ? 'streamName' : 'eventType';
      expression = readExpression(reader.message());
    } else if (reader.field === 3) windowMax = reader.varint();
    else if (reader.field === 4) windowMax = 'count';
    else if (reader.field === 5) checkpointMultiplier = reader.varint();
  }
  return { field, ...expression, windowMax, checkpointMultiplier };
}

/** `Expression { 1 regex, 2 prefix* }`. */
function readExpression(reader: ProtobufReader): { regex: string; prefixes: string[] } {
  let regex = '';
  const prefixes: string[] = [];
  while (reader.next()) {
    if (reader.field === 1) regex = reader.string();
    else if (reader.field === 2) prefixes.push(reader.string());
  }
  return { regex, prefixes };
}

function firstVarint(reader: ProtobufReader): number {
  let value = 0;
  while (reader.next()) if (reader.field === 1) value = reader.varint();
  return value;
}

function hasField(reader: ProtobufReader, field: number): boolean {
  let found = false;
  while (reader.next()) found ||= reader.field === field;
  return found;
}

/** The `ReadResp` messages other than events, framed. */
export const readResponse = {
  confirmation: (id: string): Buffer => framed(delimitedField(2, delimitedField(1, id))),
  checkpoint: (position: number): Buffer =>
    framed(delimitedField(3, message(varintField(1, position), varintField(2, position)))),
  streamNotFound: (streamName: string): Buffer =>
    framed(delimitedField(4, delimitedField(1, streamIdentifierMessage(streamName)))),
  firstStreamPosition: (revision: number): Buffer => framed(varintField(5, revision)),
  lastStreamPosition: (revision: number): Buffer => framed(varintField(6, revision)),
  caughtUp: (): Buffer => framed(delimitedField(8, emptyMessage)),
};
