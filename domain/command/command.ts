import type { CommandAccepted } from '../catalogue.events';
import type { Decider } from '../decider';
import type { AcceptCommand } from './command.commands';

export type AcceptedCommand = { readonly status: 'unknown' } | { readonly status: 'accepted' };

export const command: Decider<AcceptedCommand, AcceptCommand, CommandAccepted> = {
  initialState: { status: 'unknown' },
  decide({ data: { commandId, route } }, state) {
    return state.status === 'accepted' ? [] : [{ type: 'CommandAccepted', data: { commandId, route } }];
  },
  evolve() {
    return { status: 'accepted' };
  },
};
