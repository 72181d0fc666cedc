import { ANY, NO_STREAM, STREAM_EXISTS, type AppendExpectedRevision } from '@eventstore/db-client';
import { Empty, StreamIdentifier, UUID } from '@eventstore/db-client/generated/shared_pb';
import {
  AppendReq,
  BatchAppendReq,
  DeleteReq,
  ReadReq,
  TombstoneReq,
} from '@eventstore/db-client/generated/streams_pb';
import { BinaryWriter } from 'google-protobuf';
import { Duration } from 'google-protobuf/google/protobuf/duration_pb';
import { Empty as GoogleEmpty } from 'google-protobuf/google/protobuf/empty_pb';
import { Timestamp } from 'google-protobuf/google/protobuf/timestamp_pb';
import { randomUUID } from 'node:crypto';

/** An event as it is proposed. `null` leaves out what a server requires. */
export interface Proposal {
  readonly id?: string | UUID;
  readonly type?: string | null;
  readonly contentType?: string | null;
  /** Metadata keys beside the two above. */
  readonly otherMetadata?: Readonly<Record<string, string>>;
  readonly data?: Buffer | string;
  readonly customMetadata?: Buffer | string;
}

export function uuid(text: string): UUID {
  return new UUID().setString(text);
}

/** The form of two 64-bit halves, which clients of other languages use. */
export function structuredUuid(text: string): UUID {
  const digits = text.replaceAll('-', '');
  const half = (from: number): string =>
    BigInt.asIntN(64, BigInt(`0x${digits.slice(from, from + 16)}`)).toString();
  return new UUID().setStructured(
    new UUID.Structured().setMostSignificantBits(half(0)).setLeastSignificantBits(half(16)),
  );
}

/** The text of an id in either form. */
export function uuidText(id: UUID | undefined): string {
  const structured = id?.getStructured();
  if (structured === undefined) return id?.getString() ?? '';
  const half = (bits: string): string => BigInt.asUintN(64, BigInt(bits)).toString(16).padStart(16, '0');
  const digits = half(structured.getMostSignificantBits()) + half(structured.getLeastSignificantBits());
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function streamIdentifier(name: string): StreamIdentifier {
  return new StreamIdentifier().setStreamName(Buffer.from(name));
}

/** Options first, then a message per event. */
export function appendRequests(
  streamName: string,
  expected: AppendExpectedRevision | undefined,
  ...events: Proposal[]
): AppendReq[] {
  const options = new AppendReq.Options().setStreamIdentifier(streamIdentifier(streamName));
  if (expected !== undefined) setExpected(options, expected);
  return [
    new AppendReq().setOptions(options),
    ...events.map((event) =>
      new AppendReq().setProposedMessage(propose(new AppendReq.ProposedMessage(), event)),
    ),
  ];
}

export interface BatchPart {
  readonly correlationId?: string | UUID;
  /** With it the part has options. */
  readonly streamName?: string;
  readonly expected?: AppendExpectedRevision | undefined;
  /** Milliseconds from now, as the point of time that this client sends. */
  readonly deadlineMs?: number;
  /** The same as a duration. */
  readonly timeoutMs?: number;
  readonly events?: readonly Proposal[];
  readonly isFinal?: boolean;
}

export function batchPart(part: BatchPart): Buffer {
  const { correlationId = randomUUID(), events = [{}], isFinal = true } = part;
  const request = new BatchAppendReq()
    .setCorrelationId(typeof correlationId === 'string' ? uuid(correlationId) : correlationId)
    .setProposedMessagesList(events.map((event) => propose(new BatchAppendReq.ProposedMessage(), event)))
    .setIsFinal(isFinal);
  return Buffer.concat([request.serializeBinary(), batchOptions(part)]);
}

/** As field 2 of the request, written by hand: the generated code does not know field 7. */
function batchOptions({ streamName, expected, deadlineMs, timeoutMs }: BatchPart): Uint8Array {
  if (streamName === undefined) return Buffer.alloc(0);
  const options = new BatchAppendReq.Options().setStreamIdentifier(streamIdentifier(streamName));
  if (expected === ANY) options.setAny(new GoogleEmpty());
  else if (expected === NO_STREAM) options.setNoStream(new GoogleEmpty());
  else if (expected === STREAM_EXISTS) options.setStreamExists(new GoogleEmpty());
  else if (expected !== undefined) options.setStreamPosition(expected.toString());
  if (deadlineMs !== undefined) options.setDeadline(Timestamp.fromDate(new Date(Date.now() + deadlineMs)));
  const duration = new BinaryWriter();
  if (timeoutMs !== undefined) {
    const nanos = Math.trunc((timeoutMs % 1_000) * 1e6);
    duration.writeBytes(
      7,
      new Duration()
        .setSeconds(Math.trunc(timeoutMs / 1_000))
        .setNanos(nanos)
        .serializeBinary(),
    );
  }
  const field = new BinaryWriter();
  field.writeBytes(2, Buffer.concat([options.serializeBinary(), duration.getResultBuffer()]));
  return field.getResultBuffer();
}

export function deleteRequest(streamName: string, expected: AppendExpectedRevision): DeleteReq {
  const options = new DeleteReq.Options().setStreamIdentifier(streamIdentifier(streamName));
  return new DeleteReq().setOptions(setExpected(options, expected));
}

export function tombstoneRequest(streamName: string, expected: AppendExpectedRevision): TombstoneReq {
  const options = new TombstoneReq.Options().setStreamIdentifier(streamIdentifier(streamName));
  return new TombstoneReq().setOptions(setExpected(options, expected));
}

export type From = 'start' | 'end' | bigint;

export interface ReadOptions {
  readonly from?: From;
  readonly backwards?: boolean;
  /** How many events at most; a subscription if there is none. */
  readonly count?: bigint;
  readonly resolveLinks?: boolean;
  readonly structuredIds?: boolean;
  readonly compatibility?: number;
  readonly filter?: ReadReq.Options.FilterOptions;
}

export function readStreamRequest(streamName: string, options: ReadOptions = {}): ReadReq {
  const { from = 'start' } = options;
  const stream = new ReadReq.Options.StreamOptions().setStreamIdentifier(streamIdentifier(streamName));
  if (from === 'start') stream.setStart(new Empty());
  else if (from === 'end') stream.setEnd(new Empty());
  else stream.setRevision(from.toString());
  return new ReadReq().setOptions(readOptions(options).setStream(stream));
}

export function readAllRequest(options: ReadOptions = {}): ReadReq {
  const { from = 'start' } = options;
  const all = new ReadReq.Options.AllOptions();
  if (from === 'start') all.setStart(new Empty());
  else if (from === 'end') all.setEnd(new Empty());
  else
    all.setPosition(
      new ReadReq.Options.Position().setCommitPosition(from.toString()).setPreparePosition(from.toString()),
    );
  return new ReadReq().setOptions(readOptions(options).setAll(all));
}

export interface FilterRequest {
  readonly on?: 'eventType' | 'streamName';
  readonly regex?: string;
  readonly prefixes?: string[];
  /** Events per window; `null` for no window at all. */
  readonly windowMax?: number | null;
  readonly multiplier?: number;
}

export function filterOptions(filter: FilterRequest): ReadReq.Options.FilterOptions {
  const { on, regex, prefixes, windowMax = 32, multiplier = 1 } = filter;
  const options = new ReadReq.Options.FilterOptions().setCheckpointintervalmultiplier(multiplier);
  const expression = new ReadReq.Options.FilterOptions.Expression();
  if (regex !== undefined) expression.setRegex(regex);
  if (prefixes !== undefined) expression.setPrefixList(prefixes);
  if (on === 'eventType') options.setEventType(expression);
  else if (on === 'streamName') options.setStreamIdentifier(expression);
  if (windowMax !== null) options.setMax(windowMax);
  return options;
}

function readOptions(options: ReadOptions): ReadReq.Options {
  const { backwards = false, count, filter, compatibility } = options;
  const { FORWARDS, BACKWARDS } = ReadReq.Options.ReadDirection;
  const ids = new ReadReq.Options.UUIDOption();
  if (options.structuredIds === true) ids.setStructured(new Empty());
  else ids.setString(new Empty());
  const request = new ReadReq.Options()
    .setReadDirection(backwards ? BACKWARDS : FORWARDS)
    .setResolveLinks(options.resolveLinks ?? false)
    .setUuidOption(ids);
  if (count === undefined) request.setSubscription(new ReadReq.Options.SubscriptionOptions());
  else request.setCount(count.toString());
  if (filter === undefined) request.setNoFilter(new Empty());
  else request.setFilter(filter);
  if (compatibility !== undefined)
    request.setControlOption(new ReadReq.Options.ControlOption().setCompatibility(compatibility));
  return request;
}

interface ExpectationFields {
  setRevision(value: string): unknown;
  setNoStream(value: Empty): unknown;
  setAny(value: Empty): unknown;
  setStreamExists(value: Empty): unknown;
}

function setExpected<Options extends ExpectationFields>(
  options: Options,
  expected: AppendExpectedRevision,
): Options {
  if (expected === ANY) options.setAny(new Empty());
  else if (expected === NO_STREAM) options.setNoStream(new Empty());
  else if (expected === STREAM_EXISTS) options.setStreamExists(new Empty());
  else options.setRevision(expected.toString());
  return options;
}

interface ProposalFields {
  setId(value: UUID): unknown;
  getMetadataMap(): { set(key: string, value: string): unknown };
  setData(value: Uint8Array): unknown;
  setCustomMetadata(value: Uint8Array): unknown;
}

function propose<Message extends ProposalFields>(message: Message, event: Proposal): Message {
  const { id = randomUUID(), type = 'Happened', contentType = 'application/json' } = event;
  message.setId(typeof id === 'string' ? uuid(id) : id);
  const metadata = message.getMetadataMap();
  if (type !== null) metadata.set('type', type);
  if (contentType !== null) metadata.set('content-type', contentType);
  for (const [key, value] of Object.entries(event.otherMetadata ?? {})) metadata.set(key, value);
  message.setData(Buffer.from(event.data ?? '{}'));
  message.setCustomMetadata(Buffer.from(event.customMetadata ?? ''));
  return message;
}
