import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import {
  ALL_EVENT_TYPES,
  arePreconditionsMet,
  CommandAnswered,
  MAX_WEBHOOKS_PER_TENANT,
  message,
  needAuditScope,
  type Violation,
  type WebhookChangeRequested,
  type WebhookCreateRequested,
  type WebhookDeleteRequested,
  type WebhookListRequested,
  type WebhookRequested,
  type WebhookSecretRotateRequested,
  type WebhookStateChangeRequested,
} from '@countersign/contracts';
import { WebhookSender } from '../targets/targets.ports.js';
import { rotated } from './signing-secrets.decision.js';
import {
  KnownTenants,
  SecretReplies,
  WebhookStore,
  type WebhookChange,
  type WebhookCommandFields,
  type WebhookRecord,
  type WebhookSnapshot,
} from './subscriptions.ports.js';
import { webhookPage, webhookResource } from './webhook-resources.js';

type Answer = CommandAnswered['answer'];

interface Decided {
  readonly answer: Answer;
  readonly change?: WebhookChange;
  readonly violations?: Violation[];
}

/** Bytes of a secret; Standard Webhooks requires 24 to 64. */
const SECRET_BYTES = 32;

/** Carries out the commands about webhooks. */
@Injectable()
export class ManageWebhooks {
  constructor(
    private readonly store: WebhookStore,
    private readonly sender: WebhookSender,
    private readonly tenants: KnownTenants,
    private readonly replies: SecretReplies,
  ) {}

  async create(command: WebhookCreateRequested): Promise<CommandAnswered> {
    const { tenant, webhook, url, eventTypes, description = null, replyKeys } = command;
    const known = this.tenants.find(tenant);
    if (!known) return answered(command, 'not_found');
    if (!command.hasAuditScope && needAuditScope(eventTypes)) return answered(command, 'scope_missing');
    const violations = await this.#violations(url, eventTypes);
    if (violations.length > 0) return answered(command, 'invalid', { violations });
    const secret = newSecret();
    const sealedSecret = await this.replies.seal(secret, replyKeys, command.commandId);
    return this.#change(
      command,
      ({ webhook: existing, count, erasedTenant, now }) => {
        // Another process may have erased the tenant, and this one not know of its deletion yet.
        if (erasedTenant !== undefined && erasedTenant === (known.createdAt ?? erasedTenant))
          return { answer: 'not_found' };
        if (existing) return { answer: 'taken' };
        if (count >= MAX_WEBHOOKS_PER_TENANT) {
          const rule = `is refused: the tenant has ${MAX_WEBHOOKS_PER_TENANT} webhooks, which is the limit`;
          return { answer: 'invalid', violations: [{ field: 'url', rule }] };
        }
        const record: WebhookRecord = {
          ...{ webhook, tenant, url, eventTypes: [...eventTypes].sort(), description, createdAt: now },
          ...{ disabledAt: null, disabledReason: null, failingSince: null },
        };
        const save = { webhook: record, secrets: [{ value: secret, until: null }], sealedSecret };
        return { answer: 'created', change: { save, fact: fact('created', webhook) } };
      },
      true,
    );
  }

  async change(command: WebhookChangeRequested): Promise<CommandAnswered> {
    const { webhook, url, eventTypes, description } = command;
    const violations = await this.#violations(url, eventTypes);
    if (violations.length > 0) return answered(command, 'invalid', { violations });
    return this.#change(command, ({ webhook: before, secrets }) => {
      if (!before) return { answer: 'not_found' };
      const after: WebhookRecord = {
        ...before,
        url: url ?? before.url,
        eventTypes: eventTypes === undefined ? before.eventTypes : [...eventTypes].sort(),
        description: description === undefined ? before.description : description,
      };
      const changed = (['url', 'eventTypes', 'description'] as const).filter(
        (field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]),
      );
      if (changed.length === 0) return { answer: 'updated' };
      // Also the kinds before the change: deliveries of them wait, or are replayed, and a new URL would get them.
      const isRestricted =
        changed.join() !== 'description' && needAuditScope([...before.eventTypes, ...after.eventTypes]);
      if (isRestricted && !command.hasAuditScope) return { answer: 'scope_missing' };
      const save = { webhook: after, ...(changed.join() !== 'description' && { secrets: secrets() }) };
      return { answer: 'updated', change: { save, fact: fact('changed', webhook, { fields: changed.join(' ') }) } };
    });
  }

  changeState(command: WebhookStateChangeRequested): Promise<CommandAnswered> {
    const { webhook, state } = command;
    return this.#change(command, ({ webhook: before, now }) => {
      if (!before) return { answer: 'not_found' };
      if ((state === 'disabled') === (before.disabledAt !== null)) return { answer: 'updated' };
      const after: WebhookRecord =
        state === 'disabled'
          ? { ...before, disabledAt: now, disabledReason: 'operator' }
          : { ...before, disabledAt: null, disabledReason: null, failingSince: null };
      const detail = state === 'disabled' ? { reason: 'operator' } : {};
      return { answer: 'updated', change: { save: { webhook: after }, fact: fact(state, webhook, detail) } };
    });
  }

  async rotate(command: WebhookSecretRotateRequested): Promise<CommandAnswered> {
    const { webhook, graceSeconds, replyKeys } = command;
    const secret = newSecret();
    const sealedSecret = await this.replies.seal(secret, replyKeys, command.commandId);
    return this.#change(
      command,
      ({ webhook: record, secrets, now }) => {
        if (!record) return { answer: 'not_found' };
        const save = { webhook: record, secrets: rotated(secrets(), secret, graceSeconds, now), sealedSecret };
        return { answer: 'updated', change: { save, fact: fact('rotated', webhook, { graceSeconds }) } };
      },
      true,
    );
  }

  delete(command: WebhookDeleteRequested): Promise<CommandAnswered> {
    return this.#change(command, ({ webhook }) =>
      webhook
        ? { answer: 'updated', change: { deletes: true, fact: fact('deleted', webhook.webhook) } }
        : { answer: 'not_found' },
    );
  }

  async read(command: WebhookRequested): Promise<CommandAnswered> {
    const found = await this.store.find(command.tenant, command.webhook);
    return found
      ? answered(command, 'found', { body: webhookResource(found.webhook) })
      : answered(command, 'not_found');
  }

  async list(command: WebhookListRequested): Promise<CommandAnswered> {
    const { tenant, limit, cursor, state } = command;
    const found = await this.store.list(tenant, { limit: limit + 1, after: cursor, state });
    return answered(command, 'found', { body: webhookPage(found, limit) });
  }

  /**
   * Answers with the webhook as it is afterwards, and with its new secret if the command shows it. A repeated command gets the
   * stored encryption of the secret: it can be read only with the keys of the first one. After a further rotation it gets
   * `unavailable`.
   */
  async #change(
    command: WebhookCommandFields,
    decide: (snapshot: WebhookSnapshot) => Decided,
    showsSecret = false,
  ): Promise<CommandAnswered> {
    let decided: Decided = { answer: 'updated' };
    await this.store.change(command, (snapshot) => {
      decided = this.#isMet(command, snapshot) ? decide(snapshot) : { answer: 'precondition_failed' };
      return decided.change;
    });
    const { answer, violations } = decided;
    if (answer !== 'created' && answer !== 'updated') return answered(command, answer, violations && { violations });
    const found = await this.store.find(command.tenant, command.webhook);
    if (found === undefined) return answered(command, answer);
    const body = webhookResource(found.webhook);
    if (!showsSecret) return answered(command, answer, { body });
    if (found.reply?.commandId !== command.commandId) return answered(command, 'unavailable');
    return answered(command, answer, { body: { ...body, sealedSecret: found.reply.sealedSecret } });
  }

  #isMet({ preconditions }: WebhookCommandFields, { webhook }: WebhookSnapshot): boolean {
    return preconditions === undefined || arePreconditionsMet(preconditions, webhook && webhookResource(webhook));
  }

  async #violations(url: string | undefined, eventTypes: readonly string[] | undefined): Promise<Violation[]> {
    const rule = url === undefined ? undefined : await this.sender.ruleBroken(url);
    const isMixed = eventTypes !== undefined && eventTypes.length > 1 && eventTypes.includes(ALL_EVENT_TYPES);
    return [
      ...(rule === undefined ? [] : [{ field: 'url', rule }]),
      ...(isMixed ? [{ field: 'eventTypes', rule: `must hold ${ALL_EVENT_TYPES} alone, or kinds of events` }] : []),
    ];
  }
}

function fact(
  past: 'created' | 'changed' | 'rotated' | 'disabled' | 'enabled' | 'deleted',
  webhook: string,
  detail: Readonly<Record<string, string | number>> = {},
): WebhookChange['fact'] {
  return { kind: `webhook.${past}`, detail: { webhook, ...detail } };
}

function newSecret(): string {
  return `whsec_${randomBytes(SECRET_BYTES).toString('base64')}`;
}

/** The answer to a command. */
export function answered(
  { commandId }: Pick<WebhookCommandFields, 'commandId'>,
  answer: Answer,
  more: { readonly body?: Readonly<Record<string, unknown>>; readonly violations?: Violation[] } = {},
): CommandAnswered {
  return message(CommandAnswered, { commandId, answer, ...more });
}
