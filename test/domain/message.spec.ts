import { ParkMessage, ReceiveMessage, SubmitMessage } from '../../domain/message/message.commands';
import { message } from '../../domain/message/message';
import { by } from '../support/commands';
import { specify } from '../support/decider-spec';
import { parked, received, submitted } from '../support/message-builders';

const given = specify(message);
const chunks = [Uint8Array.of(1), Uint8Array.of(2)];
const content = [
  { type: 'MessageContentStored', data: { chunk: 0, bytes: Uint8Array.of(1) } },
  { type: 'MessageContentStored', data: { chunk: 1, bytes: Uint8Array.of(2) } },
] as const;

describe('a message', () => {
  it('is stored with its content in front of the fact', () => {
    given([])
      .when(new ReceiveMessage({ chunks, message: received() }, by))
      .then([...content, { type: 'MessageReceived', data: received() }]);
  });
  it('may have its content in another stream', () => {
    given([])
      .when(new ReceiveMessage({ chunks: [], message: received() }, by))
      .then([{ type: 'MessageReceived', data: received() }]);
  });
  it('is a duplicate when the same mail comes again by another way', () => {
    given([...content, { type: 'MessageReceived', data: received() }])
      .when(new ReceiveMessage({ chunks, message: received({ receivedAt: '2026-03-02T00:00:00.000Z' }) }, by))
      .thenNothing();
  });
  it('is not the one whose Message-ID it reuses', () => {
    given([{ type: 'MessageReceived', data: received() }])
      .when(new ReceiveMessage({ chunks, message: received({ fingerprint: 'other' }) }, by))
      .thenRejectedWith('MESSAGE_ID_REUSED');
  });
  it('is submitted by an agent', () => {
    given([])
      .when(new SubmitMessage({ chunks, message: submitted() }, by))
      .then([...content, { type: 'MessageSubmitted', data: submitted() }]);
  });
  it('is recognised when our own reply comes back from the Sent folder', () => {
    given([{ type: 'MessageSubmitted', data: submitted() }])
      .when(new ReceiveMessage({ chunks, message: received({ fingerprint: submitted().fingerprint }) }, by))
      .thenNothing();
  });
  it('is parked with its bytes when nobody can read it', () => {
    given([])
      .when(new ParkMessage({ chunks, message: parked() }, by))
      .then([...content, { type: 'MessageParked', data: parked() }]);
  });
});
