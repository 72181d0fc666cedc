import { recordedEventOf, withStructuredId } from './event-frames';
import { delimitedField, message, varintField } from '../../shared/protobuf/protobuf-writer';
import { framed } from '../../shared/grpc/message-framing';

/** The type of an event that stands for another: its data is `<revision>@<stream name>`. */
export const linkType = '$>';

export interface LinkTarget {
  readonly streamName: string;
  readonly revision: number;
}

/** `undefined` for data that names no event. */
export function readLinkTarget(data: Buffer): LinkTarget | undefined {
  const match = /^(\d{1,15})@(.+)$/s.exec(data.toString());
  if (match === null) return undefined;
  const [, revision = '', streamName = ''] = match;
  return { streamName, revision: Number(revision) };
}

/**
 * `ReadResp { 1 ReadEvent { 1 target, 2 link, 3 commit } }` out of two stored frames; the position is the link's, and a target
 * that is missing leaves its field unset (event-store.md §4, Links).
 */
export function linkFrame(
  link: { readonly frame: Buffer; readonly position: number },
  target: { readonly frame: Buffer; readonly position: number } | undefined,
  structuredIds: boolean,
): Buffer {
  const recorded = ({ frame, position }: { readonly frame: Buffer; readonly position: number }): Buffer =>
    recordedEventOf(structuredIds ? withStructuredId(frame, position) : frame);
  const fields = [
    ...(target === undefined ? [] : [delimitedField(1, recorded(target))]),
    delimitedField(2, recorded(link)),
    varintField(3, link.position),
  ];
  return framed(delimitedField(1, message(...fields)));
}
