import type { GrpcCall } from '../grpc/grpc-call';
import { asHeader, GrpcError, grpcCode, streamDeletedError, unavailableError } from '../grpc/grpc-status';
import type { ExpectedRevision } from '../log/append-rules';
import type { OperationOutcome } from '../log/log-operation';
import type { LogWriter } from '../log/log-writer';
import {
  appendSuccessMessage,
  BadRequest,
  checkStreamName,
  readAppendTarget,
  readProposedEvent,
  type AppendTarget,
} from '../wire/append-messages';
import type { ProposedEvent } from '../wire/event-frames';
import { ProtobufReader } from '../../shared/protobuf/protobuf-reader';
import { delimitedField, emptyMessage, message, varintField } from '../../shared/protobuf/protobuf-writer';
import { framed } from '../../shared/grpc/message-framing';
import { appendBytesMax, appendSize } from './append-size';

/** Streams/Append: options in the first message, one event in each of the others, one answer. */
export function appendHandler(writer: LogWriter) {
  return async (call: GrpcCall): Promise<void> => {
    const deadlineAtMs = call.deadlineAtMs;
    const bodies = await call.messages();
    const { target, events } = readRequest(bodies);
    const { streamName, expected } = target;
    if (expected === undefined)
      throw new GrpcError(grpcCode.invalidArgument, 'No expected revision was given.');
    if (appendSize(events) > appendBytesMax) throw sizeExceededError();
    const outcome = await writer.execute({ kind: 'append', streamName, expected, events, deadlineAtMs });
    call.push(framed(answer(outcome, streamName, expected)));
    call.end();
  };
}

function readRequest(bodies: readonly Buffer[]): { target: AppendTarget; events: ProposedEvent[] } {
  let target: AppendTarget | undefined;
  const events: ProposedEvent[] = [];
  try {
    for (const body of bodies) {
      const reader = new ProtobufReader(body);
      while (reader.next()) {
        if (reader.field === 1) target ??= readAppendTarget(reader.message(), Date.now());
        else if (reader.field === 2) events.push(readProposedEvent(reader.message()));
      }
    }
    if (target !== undefined) checkStreamName(target.streamName);
  } catch (error) {
    throw badRequestError(error);
  }
  if (target === undefined)
    throw new GrpcError(grpcCode.invalidArgument, 'The first message must be the options.');
  return { target, events };
}

/** `AppendResp { 1 success | 2 wrong_expected_version }`: a conflict is a normal response here. */
function answer(outcome: OperationOutcome, streamName: string, expected: ExpectedRevision): Buffer {
  switch (outcome.kind) {
    case 'written':
      return delimitedField(1, appendSuccessMessage(outcome.revision, outcome.position));
    case 'wrongExpectedVersion':
      return delimitedField(2, wrongExpectedVersion(outcome.current, expected));
    case 'streamDeleted':
    case 'timeout':
    case 'unavailable':
      throw outcomeError(outcome.kind, streamName);
  }
}

/** The status that stands for an outcome in calls that answer with a status. */
export function outcomeError(
  kind: 'streamDeleted' | 'timeout' | 'unavailable',
  streamName: string,
): GrpcError {
  switch (kind) {
    case 'streamDeleted':
      return streamDeletedError(streamName);
    case 'timeout':
      return new GrpcError(grpcCode.aborted, 'Operation timed out: Prepare phase timeout');
    case 'unavailable':
      return unavailableError();
  }
}

/** Fields 6 to 11, and 1 to 5 which older clients read. */
function wrongExpectedVersion(current: number, expected: ExpectedRevision): Buffer {
  const currentFields =
    current < 0
      ? [delimitedField(2, emptyMessage), delimitedField(7, emptyMessage)]
      : [varintField(1, current), varintField(6, current)];
  return message(...currentFields, ...expectedFields(expected));
}

function expectedFields(expected: ExpectedRevision): Buffer[] {
  switch (expected.kind) {
    case 'exact':
      return [varintField(3, expected.revision), varintField(8, expected.revision)];
    case 'any':
      return [delimitedField(4, emptyMessage), delimitedField(9, emptyMessage)];
    case 'streamExists':
      return [delimitedField(5, emptyMessage), delimitedField(10, emptyMessage)];
    case 'noStream':
      return [delimitedField(11, emptyMessage)];
  }
}

export function badRequestError(error: unknown): unknown {
  if (!(error instanceof BadRequest)) return error;
  if (error.missing.length === 0) return new GrpcError(grpcCode.unknown, 'Exception was thrown by handler.');
  return new GrpcError(grpcCode.invalidArgument, asHeader(error.message), {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': 'type,content-type',
  });
}

function sizeExceededError(): GrpcError {
  return new GrpcError(grpcCode.invalidArgument, `Maximum Append Size of ${appendBytesMax} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(appendBytesMax),
  });
}
