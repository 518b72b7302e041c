import { randomUUID } from 'node:crypto';
import { createParamDecorator, Injectable, type ExecutionContext } from '@nestjs/common';
import { actorOf, type ClientRequest, Problem, invalid } from '@countersign/api';
import { CommandAnswered, type ManagementCommand, type Message } from '@countersign/contracts';
import { METRICS } from '@countersign/observability';
import { type ReasonQuery } from './tenants/tenants.dto.js';
import { CommandBus, ReplyTimeout } from '../rest-adapter.ports.js';

/** The result of a management command that was carried out. */
export interface ManagementResult {
  readonly created: boolean;
  /** The state of the resource, as it is shown. */
  readonly state: Record<string, unknown>;
}

/** The fields that every management command has. */
export type CommandOrigin = Pick<ManagementCommand, 'commandId' | 'actor' | 'isSignInRecent'>;

/** A new command id, and who sent the request. A repeated management call is harmless or gets a conflict. */
export const Origin = createParamDecorator((_data: unknown, context: ExecutionContext): CommandOrigin => {
  const request = context.switchToHttp().getRequest<ClientRequest>();
  const { operator } = request.client ?? {};
  const recency = operator && { isSignInRecent: operator.isRecent };
  return { commandId: `rest-${randomUUID()}`, actor: actorOf(request), ...recency };
});

/** The origin of a command that deletes something, with the reason that the request gave. */
export function withReason({ actor, ...origin }: CommandOrigin, { reason }: ReasonQuery): CommandOrigin {
  return { ...origin, actor: { ...actor, ...defined({ reason }) } };
}

/** Whether the client has the scope `audit`, for commands that some clients may not send. */
export const HasAuditScope = createParamDecorator((_data: unknown, context: ExecutionContext): boolean =>
  Boolean(context.switchToHttp().getRequest<ClientRequest>().client?.scopes.includes('audit')),
);

/** Sends management commands to the service that owns the resource. */
@Injectable()
export class Manage {
  constructor(
    private readonly bus: CommandBus,
    private readonly timeout: ReplyTimeout,
  ) {}

  /**
   * Executes a command and returns the resource.
   * @throws as {@link execute}
   */
  async read<T extends object>(command: Message): Promise<T> {
    // The service that owns the resource answers with it as it is shown.
    return (await this.execute(command)).state as unknown as T;
  }

  /**
   * @throws Problem for every answer except success
   * @throws ServiceError when there is no answer
   */
  async execute(command: Message): Promise<ManagementResult> {
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
      case 'not_disabled':
        throw new Problem('not-disabled');
      case 'deleting':
        throw new Problem('tenant-deleting');
      case 'precondition_failed':
        throw new Problem('precondition-failed');
      case 'scope_missing':
        throw new Problem('audit-scope-missing');
      case 'recent_sign_in_required':
        METRICS.operatorRequestsRefused.inc({ reason: 'recent_sign_in' });
        throw new Problem('recent-sign-in-required');
      case 'invalid':
        throw invalid(
          (answered.violations ?? []).map(({ field, rule }) => ({ field: String(field), rule: String(rule) })),
        );
      case 'unavailable':
        throw new Problem('unavailable');
    }
  }
}

/** The fields that have a value. */
export function defined<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
