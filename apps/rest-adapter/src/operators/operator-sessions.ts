import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Problem } from '@countersign/api';
import {
  CommandAnswered,
  message,
  OperatorLogoutRequested,
  OperatorSessionEndRequested,
  OperatorSessionRequested,
  OperatorSessionStartRequested,
  OperatorSignInBeginRequested,
  OperatorSignInTakeRequested,
  type Actor,
  type FieldsOf,
  type Message,
  type OperatorSessionState,
} from '@countersign/contracts';
import { sha256 } from '@countersign/crypto';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';

/** Most sign-ins that a copy begins or takes at a time. They need no credentials, and a flood must not delay lookups of sessions. */
const MAX_SIGN_INS_IN_FLIGHT = 16;

type NewSession = Omit<FieldsOf<OperatorSessionStartRequested>, 'commandId' | 'idHash'>;

/** The sessions of operators, which the directory stores. Each method throws Problem unavailable or ServiceError without an answer. */
@Injectable()
export class OperatorSessions {
  #signInsInFlight = 0;

  constructor(
    private readonly bus: CommandBus,
    private readonly timeout: ReplyTimeout,
  ) {}

  async begin(id: string, signIn: { readonly returnTo: string; readonly recent: boolean }): Promise<void> {
    await this.#requestSignIn(message(OperatorSignInBeginRequested, { ...named(id), ...signIn }));
  }

  /** @returns undefined when there is no such sign-in, or it was taken before */
  async take(id: string): Promise<{ readonly returnTo: string; readonly recent: boolean } | undefined> {
    const { answer, body } = await this.#requestSignIn(message(OperatorSignInTakeRequested, named(id)));
    // The directory answers with what begin() sent.
    return answer === 'found' ? (body as { returnTo: string; recent: boolean } | undefined) : undefined;
  }

  async start(id: string, session: NewSession): Promise<OperatorSessionState> {
    const { body } = await this.#request(message(OperatorSessionStartRequested, { ...named(id), ...session }));
    return body as unknown as OperatorSessionState;
  }

  /** @param isUse moves the end of the idle time. @returns undefined when the session has ended */
  async session(id: string, idleSeconds: number, isUse: boolean): Promise<OperatorSessionState | undefined> {
    const command = message(OperatorSessionRequested, { ...named(id), idleSeconds, isUse });
    const { answer, body } = await this.#request(command);
    return answer === 'found' ? (body as unknown as OperatorSessionState) : undefined;
  }

  async end(id: string, everywhere: boolean, actor: Actor): Promise<void> {
    await this.#request(message(OperatorSessionEndRequested, { ...named(id), everywhere, actor }));
  }

  /** @returns false when the token had its effect before */
  async logout(logout: Omit<FieldsOf<OperatorLogoutRequested>, 'commandId'>): Promise<boolean> {
    const commandId = `rest-${randomUUID()}`;
    const { answer } = await this.#request(message(OperatorLogoutRequested, { commandId, ...logout }));
    return answer === 'updated';
  }

  async #requestSignIn(command: Message): Promise<CommandAnswered> {
    if (this.#signInsInFlight >= MAX_SIGN_INS_IN_FLIGHT) throw new Problem('unavailable');
    this.#signInsInFlight++;
    try {
      return await this.#request(command);
    } finally {
      this.#signInsInFlight--;
    }
  }

  async #request(command: Message): Promise<CommandAnswered> {
    const answered = await this.bus.request(command, CommandAnswered, this.timeout.milliseconds);
    if (answered.answer === 'unavailable' || answered.answer === 'invalid') throw new Problem('unavailable');
    return answered;
  }
}

/** Only the hash of an id leaves this process. */
const named = (id: string): { commandId: string; idHash: string } => ({
  ...{ commandId: `rest-${randomUUID()}`, idHash: sha256(id) },
});
