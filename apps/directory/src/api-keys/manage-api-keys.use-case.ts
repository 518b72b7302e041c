import { Injectable } from '@nestjs/common';
import {
  ApiKeyRemoved,
  CommandAnswered,
  MAX_API_KEYS,
  MAX_SECRET_HASHES,
  message,
  type Actor,
  type ApiKeyChangeRequested,
  type ApiKeyCreateRequested,
  type ApiKeyDeleteRequested,
  type ApiKeyListRequested,
  type ApiKeyRequested,
  type ApiKeyRotateRequested,
  type ApiKeyStateChangeRequested,
  type ApiKeyUseReported,
  type ApiKeyScope,
  type Violation,
} from '@countersign/contracts';
import { withinGrace } from '../agents/grace-period.decision.js';
import { ChangeDirectory, type CommandDecision } from '../change-directory.use-case.js';
import { apiKeyResource, pageOf } from '../directory-resources.decision.js';
import {
  DirectoryStore,
  type ApiKeyRecord,
  type DirectoryFact,
  type TenantRecord,
  type TenantSnapshot,
} from '../directory.ports.js';
import { InvalidChange, PublishedEntries } from '../policies/published-entries.js';

/** Most earlier texts beside the current one. */
const MAX_EARLIER = MAX_SECRET_HASHES - 1;

/** A command about an API key that exists. */
type ApiKeyCommand = Pick<ApiKeyDeleteRequested, 'commandId' | 'actor' | 'tenant' | 'keyId'>;
type Detail = DirectoryFact['detail'];

/** Carries out the commands about API keys. */
@Injectable()
export class ManageApiKeys {
  constructor(
    private readonly directory: ChangeDirectory,
    private readonly entries: PublishedEntries,
    private readonly store: DirectoryStore,
  ) {}

  create(command: ApiKeyCreateRequested): Promise<CommandAnswered> {
    return this.directory.change(command, (snapshot) => {
      const { tenant, keys, now } = snapshot;
      if (!tenant) return { answer: 'not_found' };
      if (keys.some(({ keyId }) => keyId === command.keyId)) return { answer: 'taken' };
      if (lacksAuditScope(command, snapshot, command.scopes)) return { answer: 'scope_missing' };
      const end = expiresAtOf(command);
      const violations = [...violationsOf(command, snapshot), ...outlivingOf(command, snapshot, end, 'expiresAt')];
      if (violations.length > 0) throw new InvalidChange(violations);
      const { keyId, name, scopes, agent = null, hash } = command;
      const key: ApiKeyRecord = {
        ...{ tenant: command.tenant, keyId, name, scopes, agent, hashes: [{ hash }], createdAt: now },
        ...{ expiresAt: end, disabledAt: null, lastUsedAt: null },
      };
      return this.#write('created', 'api_key.created', tenant, key, { scopes: scopes.join(' ') });
    });
  }

  change(command: ApiKeyChangeRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before) => {
      const { name = before.name } = command;
      if (name === before.name) return { answer: 'updated' };
      return this.#write('updated', 'api_key.changed', tenant, { ...before, name }, { fields: 'name' });
    });
  }

  changeState(command: ApiKeyStateChangeRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before, { now }) => {
      const { state, reason } = command;
      const isDisabled = state === 'disabled';
      if (isDisabled === (before.disabledAt !== null)) return { answer: 'updated' };
      const key = { ...before, disabledAt: isDisabled ? now : null };
      return this.#write('updated', `api_key.${state}`, tenant, key, { ...(reason !== undefined && { reason }) });
    });
  }

  rotate(command: ApiKeyRotateRequested): Promise<CommandAnswered> {
    return this.#change(command, (tenant, before, snapshot) => {
      const { now } = snapshot;
      if (lacksAuditScope(command, snapshot, before.scopes)) return { answer: 'scope_missing' };
      const violations = outlivingOf(command, snapshot, before.expiresAt, 'keyId');
      if (violations.length > 0) throw new InvalidChange(violations);
      const graceEnds = new Date(now.getTime() + command.graceSeconds * 1000);
      const hashes = [{ hash: command.hash }, ...withinGrace(before.hashes, now, graceEnds, MAX_EARLIER)];
      return this.#write('updated', 'api_key.rotated', tenant, { ...before, hashes }, {});
    });
  }

  delete(command: ApiKeyDeleteRequested): Promise<CommandAnswered> {
    return this.#change(command, (_tenant, { keyId, agent }) => {
      const fact = { kind: 'api_key.deleted', ...(agent !== null && { agent }), detail: { key: keyId } } as const;
      return {
        answer: 'updated',
        change: { deletedKeys: [keyId], publish: [message(ApiKeyRemoved, { keyId })], fact },
      };
    });
  }

  async read(command: ApiKeyRequested): Promise<CommandAnswered> {
    const { commandId } = command;
    const body = await this.directory.read(command);
    return message(CommandAnswered, { commandId, ...(body ? { answer: 'found', body } : { answer: 'not_found' }) });
  }

  async list({ commandId, tenant, limit, cursor, state, agent }: ApiKeyListRequested): Promise<CommandAnswered> {
    if (!(await this.store.tenant(tenant))) return message(CommandAnswered, { commandId, answer: 'not_found' });
    const found = await this.store.apiKeys(tenant, { limit: limit + 1, after: cursor, state, agent });
    const body = pageOf(found.map(apiKeyResource), limit, 'id');
    return message(CommandAnswered, { commandId, answer: 'found', body });
  }

  /** @throws ServiceError DATABASE_UNAVAILABLE, retriable */
  reportUse({ tenant, keyId, usedAt }: ApiKeyUseReported): Promise<void> {
    return this.store.recordUse(tenant, keyId, new Date(usedAt));
  }

  #change(
    command: ApiKeyCommand,
    decide: (tenant: TenantRecord, key: ApiKeyRecord, snapshot: TenantSnapshot) => CommandDecision,
  ): Promise<CommandAnswered> {
    return this.directory.change(command, (snapshot) => {
      const { tenant, keys } = snapshot;
      const key = keys.find((one) => one.keyId === command.keyId);
      return tenant && key ? decide(tenant, key, snapshot) : { answer: 'not_found' };
    });
  }

  #write(
    answer: 'created' | 'updated',
    kind: DirectoryFact['kind'],
    tenant: TenantRecord,
    key: ApiKeyRecord,
    detail: Detail,
  ): CommandDecision {
    const { keyId, name, agent } = key;
    const fact = { kind, ...(agent !== null && { agent }), detail: { key: keyId, name, ...detail } };
    return { answer, change: { keys: [key], publish: [this.entries.ofApiKey(tenant, key)], fact } };
  }
}

const expiresAtOf = ({ expiresAt }: ApiKeyCreateRequested): Date | null =>
  expiresAt === undefined ? null : new Date(expiresAt);

const requestingKey = ({ id }: Actor, keys: readonly ApiKeyRecord[]): ApiKeyRecord | undefined =>
  keys.find(({ keyId }) => keyId === id);

/** `manage` does not permit to read events, so it must not permit to get a key that does. @param scopes of the key that gets a text */
function lacksAuditScope(
  { actor }: Pick<ApiKeyDeleteRequested, 'actor'>,
  { keys }: TenantSnapshot,
  scopes: readonly ApiKeyScope[],
): boolean {
  return actor.kind === 'key' && scopes.includes('audit') && !requestingKey(actor, keys)?.scopes.includes('audit');
}

/**
 * A key with an end must not get a text that is valid for longer, or its end would have no effect. A key that was deleted in the
 * meantime has ended.
 * @param end of the key that gets a new text
 */
function outlivingOf(
  { actor }: Pick<ApiKeyDeleteRequested, 'actor'>,
  { keys, now }: TenantSnapshot,
  end: Date | null,
  field: string,
): Violation[] {
  if (actor.kind !== 'key') return [];
  const creator = requestingKey(actor, keys);
  const latest = creator ? creator.expiresAt : now;
  if (latest === null || (end !== null && end <= latest)) return [];
  return [{ field, rule: 'must not be valid for longer than the key of this request, which has an end' }];
}

/** The rules that need the tenant, or several fields of the command. */
function violationsOf(
  { scopes, agent, expiresAt }: ApiKeyCreateRequested,
  { agents, keys, now }: TenantSnapshot,
): Violation[] {
  const violations: Violation[] = [];
  if (scopes.includes('verify') !== (agent !== undefined)) {
    violations.push({ field: 'agent', rule: 'must be given with the scope verify, and only with it' });
  } else if (agent !== undefined && !agents.some((one) => one.agent === agent)) {
    violations.push({ field: 'agent', rule: 'must be an agent of the tenant' });
  }
  if (expiresAt !== undefined && new Date(expiresAt) <= now) {
    violations.push({ field: 'expiresAt', rule: 'must be a time to come' });
  }
  if (keys.length >= MAX_API_KEYS) {
    violations.push({ field: 'body', rule: `a tenant has at most ${MAX_API_KEYS} keys: delete one first` });
  }
  return violations;
}
