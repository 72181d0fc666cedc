import { Injectable, type PipeTransform } from '@nestjs/common';
import { notFound } from './problem';

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** An id in a path: what can be no id names nothing, so it is answered as an unknown one is (404). */
@Injectable()
export class EntityIdPipe implements PipeTransform<string, string> {
  transform(value: string): string {
    const id = value.toLowerCase();
    if (uuidPattern.test(id)) return id;
    throw notFound('resource');
  }
}
