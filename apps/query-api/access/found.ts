import { notFound } from '../../shared/http/problem';
import type { Representation } from '../reading/representation';

/** The same problem for what does not exist and for what is another tenant's (reliability.md B1 API1). */
export async function foundOr404(
  what: string,
  answer: Promise<Representation | null>,
): Promise<Representation> {
  const found = await answer;
  if (found === null) throw notFound(what);
  return found;
}
