import { Injectable } from '@nestjs/common';
import {
  CommandAnswered,
  message,
  type OperatorLogoutRequested,
  type OperatorSessionEndRequested,
  type OperatorSessionRequested,
  type OperatorSessionStartRequested,
  type OperatorSignInBeginRequested,
  type OperatorSignInTakeRequested,
} from '@countersign/contracts';
import { OperatorSessionStore } from './operator-sessions.ports.js';

/** Carries out the commands about sign-ins and sessions of operators. Each throws ServiceError DATABASE_UNAVAILABLE, retriable. */
@Injectable()
export class ManageOperatorSessions {
  constructor(private readonly store: OperatorSessionStore) {}

  async begin({ commandId, idHash, returnTo, recent }: OperatorSignInBeginRequested): Promise<CommandAnswered> {
    await this.store.begin(idHash, { returnTo, recent });
    return message(CommandAnswered, { commandId, answer: 'created' });
  }

  async take({ commandId, idHash }: OperatorSignInTakeRequested): Promise<CommandAnswered> {
    return found(commandId, await this.store.take(idHash));
  }

  async start(command: OperatorSessionStartRequested): Promise<CommandAnswered> {
    const body = { ...(await this.store.start(command)) };
    return message(CommandAnswered, { commandId: command.commandId, answer: 'created', body });
  }

  async read({ commandId, idHash, idleSeconds, isUse }: OperatorSessionRequested): Promise<CommandAnswered> {
    return found(commandId, await this.store.session(idHash, idleSeconds, isUse));
  }

  async end({ commandId, idHash, everywhere, actor }: OperatorSessionEndRequested): Promise<CommandAnswered> {
    await this.store.end(commandId, idHash, everywhere, actor);
    return message(CommandAnswered, { commandId, answer: 'updated' });
  }

  async logout(command: OperatorLogoutRequested): Promise<CommandAnswered> {
    const ended = await this.store.logout(command);
    return message(CommandAnswered, {
      commandId: command.commandId,
      answer: ended === undefined ? 'taken' : 'updated',
    });
  }
}

function found(commandId: string, body: object | undefined): CommandAnswered {
  return message(CommandAnswered, {
    commandId,
    ...(body ? { answer: 'found', body: { ...body } } : { answer: 'not_found' }),
  });
}
