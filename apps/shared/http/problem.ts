/** One field that was refused, as RFC 9457 §3 suggests; `field` is a path such as `members.0.name`, or a header's name. */
export interface FieldProblem {
  readonly field: string;
  readonly detail: string;
}

/** The body of every answer that is not a success (RFC 9457, application/problem+json). */
export interface Problem {
  /** Stable and made for programs: `urn:mailfold:problem:<name>`. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  /** The path that was asked for. */
  readonly instance?: string;
  readonly errors?: readonly FieldProblem[];
  readonly [extension: string]: unknown;
}

const problemTypes = {
  'malformed-request': { status: 400, title: 'The request cannot be read' },
  'invalid-fields': { status: 400, title: 'Some fields are not as described' },
  'empty-message': { status: 400, title: 'The message is empty' },
  unauthenticated: { status: 401, title: 'A valid API key is needed' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'This path does not take this method' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'state-conflict': { status: 409, title: 'The present state does not allow this' },
  'revision-conflict': { status: 412, title: 'It was changed in the meantime' },
  'too-large': { status: 413, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is of a type that is not taken here' },
  'idempotency-key-reused': { status: 422, title: 'The Idempotency-Key was used for another request' },
  'headers-too-large': { status: 431, title: 'The request headers are too large' },
  fault: { status: 500, title: 'Something failed here' },
  unavailable: { status: 503, title: 'Not available right now' },
} as const;

export type ProblemName = keyof typeof problemTypes;

export const problemNames = Object.keys(problemTypes) as ProblemName[];

/** Thrown anywhere below a request to answer it with a problem. `extensions` become members of the body. */
export class ProblemError extends Error {
  constructor(
    readonly problemName: ProblemName,
    readonly detail: string,
    readonly extensions: Readonly<Record<string, unknown>> = {},
    readonly headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = 'ProblemError';
  }

  get status(): number {
    return problemTypes[this.problemName].status;
  }

  toProblem(instance: string): Problem {
    const { status, title } = problemTypes[this.problemName];
    return {
      type: `urn:mailfold:problem:${this.problemName}`,
      title,
      status,
      detail: this.detail,
      instance,
      ...this.extensions,
    };
  }
}

/** Clients shall come back, and soon: what is away is restarted within seconds. */
export function unavailable(detail: string, retryAfterSeconds = 1): ProblemError {
  return new ProblemError('unavailable', detail, {}, { 'retry-after': String(retryAfterSeconds) });
}

/** The same words for what is missing and for what belongs to another tenant, so that an answer is no oracle (B1 API1). */
export function notFound(what: string): ProblemError {
  return new ProblemError('not-found', `There is no such ${what}.`);
}

export function invalidFields(errors: readonly FieldProblem[]): ProblemError {
  const names = errors.map(({ field }) => field).join(', ');
  return new ProblemError('invalid-fields', `Look at ${names}.`, { errors });
}

export function problemStatus(name: ProblemName): { readonly status: number; readonly title: string } {
  return problemTypes[name];
}
