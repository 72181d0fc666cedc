import type { GrpcCall } from '../grpc/grpc-call';
import { asHeader, GrpcError, grpcCode } from '../grpc/grpc-status';
import type { ExpectedRevision } from '../log/append-rules';
import type { LogWriter } from '../log/log-writer';
import { isMetastream } from '../log/stream-names';
import { checkStreamName, positionMessage, readAppendTarget } from '../wire/append-messages';
import { ProtobufReader } from '../../shared/protobuf/protobuf-reader';
import { delimitedField, emptyMessage } from '../../shared/protobuf/protobuf-writer';
import { framed } from '../../shared/grpc/message-framing';
import { badRequestError, outcomeError } from './append';

/** Streams/Delete and Streams/Tombstone: `{ 1 options }` in, `{ 1 position | 2 no_position }` out. */
export function deleteHandler(writer: LogWriter, kind: 'delete' | 'tombstone') {
  return async (call: GrpcCall): Promise<void> => {
    const deadlineAtMs = call.deadlineAtMs;
    const { streamName, expected } = readRequest(await call.message());
    const outcome = await writer.execute({ kind, streamName, expected, events: [], deadlineAtMs });
    switch (outcome.kind) {
      case 'written':
        call.push(framed(positionField(outcome.position)));
        return call.end();
      case 'wrongExpectedVersion':
        throw wrongExpectedVersionError(streamName, expected, outcome.current);
      case 'streamDeleted':
      case 'timeout':
      case 'unavailable':
        throw outcomeError(outcome.kind, streamName);
    }
  };
}

function readRequest(body: Buffer): { streamName: string; expected: ExpectedRevision } {
  const reader = new ProtobufReader(body);
  while (reader.next()) {
    if (reader.field !== 1) continue;
    const { streamName, expected } = readAppendTarget(reader.message(), Date.now());
    try {
      checkStreamName(streamName);
    } catch (error) {
      throw badRequestError(error);
    }
    // A real node allows it; but once `$$s` is tombstoned there, a delete of `s` ends the process and keeps it from starting.
    if (isMetastream(streamName))
      throw new GrpcError(grpcCode.invalidArgument, 'A metadata stream lives and dies with its stream.');
    if (expected !== undefined) return { streamName, expected };
  }
  throw new GrpcError(grpcCode.invalidArgument, 'No expected revision was given.');
}

function positionField(position: number | undefined): Buffer {
  return position === undefined
    ? delimitedField(2, emptyMessage)
    : delimitedField(1, positionMessage(position));
}

function wrongExpectedVersionError(
  streamName: string,
  expected: ExpectedRevision,
  current: number,
): GrpcError {
  return new GrpcError(
    grpcCode.failedPrecondition,
    `Append failed due to WrongExpectedVersion. Stream: ${asHeader(streamName)}, Actual version: ${current}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': asHeader(streamName),
      'expected-version': String(expectedNumber(expected)),
      'actual-version': String(current),
    },
  );
}

function expectedNumber(expected: ExpectedRevision): number {
  switch (expected.kind) {
    case 'exact':
      return expected.revision;
    case 'noStream':
      return -1;
    case 'any':
      return -2;
    case 'streamExists':
      return -4;
  }
}
