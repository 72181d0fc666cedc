import { applyDecorators } from '@nestjs/common';
import {
  ApiBadRequestResponse,
  ApiHeader,
  ApiNotFoundResponse,
  ApiServiceUnavailableResponse,
  ApiUnauthorizedResponse,
} from '@nestjs/swagger';

/** What every read has in common, for the documentation. */
export const ReadProblems = (): ClassDecorator & MethodDecorator =>
  applyDecorators(
    ApiHeader({ name: 'X-Read-After', required: false, description: 'The same as ?after=.' }),
    ApiHeader({ name: 'X-Read-Generation', required: false, description: 'The same as ?generation=.' }),
    ApiHeader({
      name: 'X-Tenant-Id',
      required: false,
      description:
        "For the operator's key only: the tenant to read as. With X-Read-Generation also generations that are not frozen can be read.",
    }),
    ApiBadRequestResponse({ description: 'problem+json naming each field that is wrong or unknown.' }),
    ApiUnauthorizedResponse({ description: 'The key is absent, unknown, expired or revoked.' }),
    ApiNotFoundResponse({ description: 'There is no such thing in this tenant, or no such generation.' }),
    ApiServiceUnavailableResponse({
      description: 'The tier is away, or has not reached ?after in time. Retry-After says when to come back.',
    }),
  );
