import { GrpcError, grpcCode } from '../grpc/grpc-status';

const patternLengthMax = 512;
const textLengthMax = 256;
const repetitionsMax = 3;

/**
 * A client's regular expression as a test that cannot block the node. The subset is JavaScript's syntax without
 * back-references, without a repeated group that itself repeats or branches (the exponential cases), and with at most three
 * unbounded repetitions (the polynomial ones). A text above 256 characters matches without being tested: a reader may get an
 * event it did not ask for, never miss one. Throws {@link GrpcError} UNKNOWN, as a real node does for a bad pattern.
 */
export function compileRegex(pattern: string): (text: string) => boolean {
  const reason = objection(pattern);
  if (reason !== undefined) throw new GrpcError(grpcCode.unknown, `Unsupported filter expression: ${reason}`);
  let regex: RegExp;
  try {
    regex = new RegExp(pattern);
  } catch {
    throw new GrpcError(grpcCode.unknown, 'Invalid filter expression.');
  }
  return (text) => text.length > textLengthMax || regex.test(text);
}

function objection(pattern: string): string | undefined {
  if (pattern.length > patternLengthMax) return `longer than ${patternLengthMax} characters`;
  // Escapes and classes are single characters to the questions below.
  if (/\\[1-9k]/.test(pattern)) return 'back-reference';
  const shape = pattern.replace(/\\./g, 'x').replace(/\[[^\]]*\]/g, 'x');
  if ((shape.match(/[*+]|\{\d*,\d*\}/g) ?? []).length > repetitionsMax) return 'too many repetitions';
  return hasRepeatedComplexGroup(shape) ? 'a repeated group that repeats or branches' : undefined;
}

function hasRepeatedComplexGroup(shape: string): boolean {
  const complex: boolean[] = [false];
  for (let at = 0; at < shape.length; at++) {
    const char = shape[at];
    if (char === '(') {
      complex.push(false);
      if (shape[at + 1] === '?') at += 1;
    } else if (char === ')') {
      const inner = complex.pop() ?? false;
      if (inner && /^[*+{]/.test(shape.slice(at + 1))) return true;
      if (inner) complex[complex.length - 1] = true;
    } else if (char !== undefined && '*+{|'.includes(char)) complex[complex.length - 1] = true;
  }
  return false;
}
