import { grpcCode } from '../grpc/grpc-status';
import type { ExpectedRevision } from '../log/append-rules';
import type { OperationOutcome } from '../log/log-operation';
import {
  appendSuccessMessage,
  correlationField,
  streamIdentifierMessage,
  type AppendTarget,
} from '../wire/append-messages';
import { delimitedField, emptyMessage, message, varintField } from '../../shared/protobuf/protobuf-writer';
import { framed } from '../../shared/grpc/message-framing';
import type { UuidForm, WireUuid } from '../wire/uuid';

/** `BatchAppendResp { 1 correlation_id, 2 error | 3 success, 4 stream_identifier }`, framed. */
export function batchReply(
  correlationId: WireUuid,
  target: AppendTarget,
  outcome: Exclude<OperationOutcome, { kind: 'unavailable' }>,
): Buffer {
  switch (outcome.kind) {
    case 'written':
      return reply(
        correlationId,
        target,
        delimitedField(3, appendSuccessMessage(outcome.revision, outcome.position)),
      );
    case 'wrongExpectedVersion':
      return reply(correlationId, target, wrongExpectedVersion(outcome.current, target.expected));
    case 'streamDeleted':
      return reply(
        correlationId,
        target,
        status(
          grpcCode.notFound,
          'StreamDeleted',
          delimitedField(1, streamIdentifierMessage(target.streamName)),
        ),
      );
    case 'timeout':
      return batchError.timeoutAtDeadline(correlationId, target);
  }
}

const timeout = status(grpcCode.deadlineExceeded, 'Timeout', emptyMessage);

export const batchError = {
  timeout: (correlationId: WireUuid, target: AppendTarget): Buffer => reply(correlationId, target, timeout),
  /** In structured form whatever the request used, as a real node does at the deadline; clients understand both. */
  timeoutAtDeadline: (correlationId: WireUuid, target: AppendTarget): Buffer =>
    reply(correlationId, target, timeout, 'structured'),
  maximumAppendSizeExceeded: (correlationId: WireUuid, target: AppendTarget, bytesMax: number): Buffer =>
    reply(
      correlationId,
      target,
      status(grpcCode.invalidArgument, 'MaximumAppendSizeExceeded', varintField(1, bytesMax)),
    ),
  accessDenied: (correlationId: WireUuid, target: AppendTarget): Buffer =>
    reply(correlationId, target, status(grpcCode.permissionDenied, 'AccessDenied', emptyMessage)),
  badRequest: (correlationId: WireUuid, target: AppendTarget, reason: string): Buffer =>
    reply(correlationId, target, status(grpcCode.invalidArgument, 'BadRequest', delimitedField(1, reason))),
};

function reply(correlationId: WireUuid, target: AppendTarget, result: Buffer, form?: UuidForm): Buffer {
  return framed(
    message(
      correlationField(correlationId, form),
      result,
      delimitedField(4, streamIdentifierMessage(target.streamName)),
    ),
  );
}

/** `google.rpc.Status { 1 code, 2 message, 3 details Any { 1 type_url, 2 value } }` as the error field. */
function status(code: number, typeName: string, details: Buffer): Buffer {
  const any = message(
    delimitedField(1, `type.googleapis.com/event_store.client.${typeName}`),
    delimitedField(2, details),
  );
  return delimitedField(
    2,
    message(varintField(1, code), delimitedField(2, typeName), delimitedField(3, any)),
  );
}

/** `WrongExpectedVersion { 1 current | 2 current_no_stream, 3 expected | 4 any | 5 exists | 6 no_stream }`. */
function wrongExpectedVersion(current: number, expected: ExpectedRevision | undefined): Buffer {
  const currentField = current < 0 ? delimitedField(2, emptyMessage) : varintField(1, current);
  return status(
    grpcCode.alreadyExists,
    'WrongExpectedVersion',
    message(currentField, expectedField(expected)),
  );
}

function expectedField(expected: ExpectedRevision | undefined): Buffer {
  switch (expected?.kind) {
    case 'exact':
      return varintField(3, expected.revision);
    case 'any':
      return delimitedField(4, emptyMessage);
    case 'streamExists':
      return delimitedField(5, emptyMessage);
    case 'noStream':
    case undefined:
      return delimitedField(6, emptyMessage);
  }
}
