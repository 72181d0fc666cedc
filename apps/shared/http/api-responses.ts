import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiProperty, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { problemStatus, type ProblemName } from './problem';

class FieldProblemBody {
  @ApiProperty({ example: 'email' })
  field!: string;

  @ApiProperty({ example: 'email must be an email' })
  detail!: string;
}

/** How the OpenAPI document shows a problem (RFC 9457). */
class ProblemBody {
  @ApiProperty({ example: 'urn:mailfold:problem:invalid-fields' })
  type!: string;

  @ApiProperty()
  title!: string;

  @ApiProperty({ example: 400 })
  status!: number;

  @ApiProperty({ required: false })
  detail?: string;

  @ApiProperty({ required: false, example: '/v1/users' })
  instance?: string;

  @ApiProperty({ required: false, type: [FieldProblemBody] })
  errors?: FieldProblemBody[];
}

/** Describes the problems a route may answer with, one entry per status. */
export function ApiProblems(...names: ProblemName[]): MethodDecorator & ClassDecorator {
  const byStatus = new Map<number, ProblemName[]>();
  for (const name of names) {
    const { status } = problemStatus(name);
    byStatus.set(status, [...(byStatus.get(status) ?? []), name]);
  }
  const responses = [...byStatus].map(([status, ofStatus]) =>
    ApiResponse({
      status,
      description: ofStatus.map((name) => `${problemStatus(name).title} (\`${name}\`)`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemBody) } } },
    }),
  );
  return applyDecorators(ApiExtraModels(ProblemBody), ...responses);
}
