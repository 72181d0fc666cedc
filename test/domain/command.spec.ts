import { AcceptCommand } from '../../domain/command/command.commands';
import { command } from '../../domain/command/command';
import { by } from '../support/commands';
import { specify } from '../support/decider-spec';

it('takes an Idempotency-Key once', () => {
  const data = { commandId: 'c', route: 'POST /v1/mailboxes/box/messages' };
  specify(command)([])
    .when(new AcceptCommand(data, by))
    .then([{ type: 'CommandAccepted', data }]);
});
