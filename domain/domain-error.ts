/** A refusal the business expects. `code` is stable and mapped to one HTTP status in apps/shared/http. */
export class DomainError<Code extends string = string> extends Error {
  constructor(
    readonly code: Code,
    message: string,
  ) {
    super(message);
    this.name = 'DomainError';
  }
}
