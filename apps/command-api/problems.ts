import {
  ConversationMergedError,
  StatusRefusedError,
  type ConversationErrorCode,
} from '../../domain/conversation/conversation';
import { DomainError } from '../../domain/domain-error';
import type { MailboxErrorCode } from '../../domain/mailbox/mailbox';
import type { MessageErrorCode } from '../../domain/message/message';
import type { TenantErrorCode } from '../../domain/tenant/tenant';
import type { UserErrorCode } from '../../domain/user/user';
import { EventStoreUnavailable, OutcomeUnknown, RevisionConflict } from '../shared/event-store/event-store';
import { IdempotencyMismatch } from '../shared/event-store/handle-command';
import { notFound, ProblemError, unavailable, type ProblemName } from '../shared/http/problem';
import { isTransient } from '../shared/postgres/transient-error';

type ErrorCode =
  TenantErrorCode | UserErrorCode | MailboxErrorCode | MessageErrorCode | ConversationErrorCode;

// A new code does not compile until someone has chosen its problem.
const problemOf: Readonly<Record<ErrorCode, ProblemName>> = {
  TENANT_NOT_FOUND: 'not-found',
  TENANT_ALREADY_REGISTERED: 'state-conflict',
  API_KEY_NOT_FOUND: 'not-found',
  USER_NOT_FOUND: 'not-found',
  USER_DEACTIVATED: 'state-conflict',
  MAILBOX_NOT_FOUND: 'not-found',
  MESSAGE_ID_REUSED: 'state-conflict',
  CONVERSATION_NOT_FOUND: 'not-found',
  CONVERSATION_MERGED: 'state-conflict',
  CONVERSATION_NOT_ASSIGNABLE: 'state-conflict',
  CONVERSATION_STATUS_REFUSED: 'state-conflict',
  CONVERSATION_NOT_EMPTY: 'state-conflict',
};

/** The problems that errors of the domain and of the log stand for; `null` for what nobody expects (500). */
export function commandProblem(error: unknown): ProblemError | null {
  if (error instanceof DomainError) return refusal(error as DomainError);
  if (error instanceof IdempotencyMismatch) {
    return new ProblemError('idempotency-key-reused', 'Use a new Idempotency-Key for a new request.');
  }
  if (error instanceof OutcomeUnknown) {
    return unavailable('The log has not confirmed the write. Retry with the same Idempotency-Key.');
  }
  if (error instanceof EventStoreUnavailable) return unavailable('The log cannot be reached.');
  // Lost a race without If-Match, as often as we were ready to try.
  if (error instanceof RevisionConflict) return unavailable('Too many write to this at once.');
  if (isTransient(error)) return unavailable('The key store cannot be reached.');
  return null;
}

function refusal(error: DomainError): ProblemError {
  const name = isKnown(error.code) ? problemOf[error.code] : 'state-conflict';
  // One text for all that is missing, be it another tenant's or nobody's.
  if (name === 'not-found') return notFound('resource');
  return new ProblemError(name, error.message, { code: error.code, ...detailsOf(error) });
}

function detailsOf(error: DomainError): Record<string, unknown> {
  if (error instanceof StatusRefusedError) return { allowed: error.allowed };
  if (error instanceof ConversationMergedError) return { conversationId: error.into };
  return {};
}

function isKnown(code: string): code is ErrorCode {
  return Object.hasOwn(problemOf, code);
}
