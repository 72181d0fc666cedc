import { delimitedField, int64Field, message } from '../../shared/protobuf/protobuf-writer';
import { WireError, type ProtobufReader } from '../../shared/protobuf/protobuf-reader';

const textFormat = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
export const nilUuid = '00000000-0000-0000-0000-000000000000';

/** Which of the two forms of `event_store.client.UUID` a message used; replies to it use the same. */
export type UuidForm = 'string' | 'structured';
export interface WireUuid {
  readonly text: string;
  readonly form: UuidForm;
}

/** Reads `UUID { 1 structured { 1 msb, 2 lsb }, 2 string }`. Does not check: see {@link isUuid}. */
export function readUuid(reader: ProtobufReader): WireUuid {
  let uuid: WireUuid = { text: '', form: 'string' };
  while (reader.next()) {
    if (reader.field === 1) uuid = { text: readStructured(reader.message()), form: 'structured' };
    else if (reader.field === 2) uuid = { text: reader.string(), form: 'string' };
  }
  return uuid;
}

export function isUuid(text: string): boolean {
  return textFormat.test(text);
}

/** The content of a UUID message in the given form. */
export function uuidMessage(text: string, form: UuidForm): Buffer {
  if (form === 'string') return delimitedField(2, text);
  if (!isUuid(text)) throw new WireError('a structured UUID needs 16 bytes');
  const hex = text.replaceAll('-', '');
  const half = (from: number): bigint => BigInt.asIntN(64, BigInt(`0x${hex.slice(from, from + 16)}`));
  return delimitedField(1, message(int64Field(1, half(0)), int64Field(2, half(16))));
}

function readStructured(reader: ProtobufReader): string {
  let most = 0n;
  let least = 0n;
  while (reader.next()) {
    if (reader.field === 1) most = reader.int64();
    else if (reader.field === 2) least = reader.int64();
  }
  const hex = (part: bigint): string => BigInt.asUintN(64, part).toString(16).padStart(16, '0');
  const all = hex(most) + hex(least);
  return [all.slice(0, 8), all.slice(8, 12), all.slice(12, 16), all.slice(16, 20), all.slice(20)].join('-');
}
