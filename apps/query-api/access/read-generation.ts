import type { FastifyRequest } from 'fastify';
import { readTiers, type ReadTier } from '../reading/read-tier';

export const generationHeader = 'x-read-generation';

export const generationDetail = 'must be a number, or numbers by tier such as oltp:5,content:3';

const pattern = /^(?:\d{1,9}|(?:oltp|content|olap):\d{1,9}(?:,(?:oltp|content|olap):\d{1,9})*)$/;

/** `5`, a generation of every tier the answer is made of, or by tier: `oltp:5,content:3`. */
export function isGenerationChoice(value: unknown): value is string {
  return typeof value === 'string' && pattern.test(value);
}

/** The generations a request names, `?generation=` or X-Read-Generation; the header goes before. Bad ones count as absent. */
export function wantedGenerations(request: FastifyRequest): ReadonlyMap<ReadTier, number> {
  const { generation } = request.query as Readonly<Record<string, unknown>>;
  const choice = [request.headers[generationHeader], generation].find(isGenerationChoice);
  if (choice === undefined) return new Map();
  if (!choice.includes(':')) return new Map(readTiers.map((tier) => [tier, Number(choice)]));
  const byTier = choice.split(',').map((each) => each.split(':') as [ReadTier, string]);
  return new Map(byTier.map(([tier, number]) => [tier, Number(number)]));
}
