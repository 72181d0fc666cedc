import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { invalidFields, type FieldProblem } from './problem';

/**
 * Checks bodies and queries against their DTO class; problem `invalid-fields` (400) names each field that is wrong,
 * missing or unknown. Unknown fields are refused, so that nobody sets what is not theirs to set (B1 API3).
 */
export function validationPipe(): ValidationPipe {
  return new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    stopAtFirstError: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => invalidFields(errors.flatMap((error) => fieldProblems(error, ''))),
  });
}

function fieldProblems(error: ValidationError, parent: string): FieldProblem[] {
  const field = parent === '' ? error.property : `${parent}.${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, detail]) => ({
    field,
    detail: rule === 'whitelistValidation' ? 'is not a field of this request' : detail,
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldProblems(child, field))];
}
