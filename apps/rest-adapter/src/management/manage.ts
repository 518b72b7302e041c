import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CommandAnswered, type Message } from '@countersign/contracts';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';
import { Problem } from '../http/problems.js';
import { invalid } from '../http/read-body.js';

/** What a management command came to, when it was carried out. */
export interface Done {
  readonly created: boolean;
  /** The state of what was changed or asked for, as it is shown. */
  readonly state: Record<string, unknown>;
}

/** Has a management command carried out by the service that owns the thing. */
@Injectable()
export class Manage {
  constructor(
    private readonly bus: CommandBus,
    private readonly timeout: ReplyTimeout,
  ) {}

  /** A new command id. Repeating a management call is harmless, or is answered with a conflict. */
  commandId(): string {
    return `rest-${randomUUID()}`;
  }

  /**
   * @throws Problem for every answer but success
   * @throws ServiceError when there is no answer
   */
  async execute(command: Message): Promise<Done> {
    const answered = await this.bus.request(command, CommandAnswered, this.timeout.milliseconds);
    const state = answered.body ?? {};
    switch (answered.answer) {
      case 'created':
        return { created: true, state };
      case 'updated':
      case 'found':
        return { created: false, state };
      case 'not_found':
        throw new Problem('not-found');
      case 'taken':
        throw new Problem('conflict');
      case 'invalid':
        throw invalid(
          (answered.violations ?? []).map(({ field, rule }) => ({ field: String(field), rule: String(rule) })),
        );
      case 'unavailable':
        throw new Problem('unavailable');
    }
  }
}
