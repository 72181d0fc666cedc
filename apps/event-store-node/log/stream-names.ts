const metastreamMark = '$$';

/** `$$s` holds the metadata of `s`. The metadata of a metastream itself (`$$$$s`) carries no rules: a stream like any other. */
export function metastreamOf(streamName: string): string {
  return metastreamMark + streamName;
}

export function isMetastream(streamName: string): boolean {
  return streamName.length > 2 && streamName.startsWith(metastreamMark) && !streamName.startsWith('$$$$');
}

/** The stream whose state decides about `streamName`: itself, or the stream whose metadata it holds. */
export function baseStreamOf(streamName: string): string {
  return isMetastream(streamName) ? streamName.slice(metastreamMark.length) : streamName;
}
