import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { Representation } from '../reading/representation';

/** Sends a {@link Representation} as it is: no serialiser looks at it. */
@Injectable()
export class SendRepresentation implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    return next.handle().pipe(
      map((answer: unknown) => {
        if (!(answer instanceof Representation)) return answer;
        reply.headers(answer.headers);
        if (answer.unchanging && request.headers['if-none-match'] === answer.headers['etag']) {
          reply.status(304);
          return '';
        }
        reply.type(answer.contentType);
        return answer.body;
      }),
    );
  }
}
