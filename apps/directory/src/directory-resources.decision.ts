import { type DirectoryState, type TenantLifeState } from '@countersign/contracts';
import { type RawPolicy } from './policies/effective-policy.decision.js';

/** Most bytes of the items of one page as JSON, unless it has one item only. Kafka accepts 1 MiB as one message. */
export const MAX_PAGE_BYTES = 524_288;

/** What tenants and agents have in common as resources. */
interface DirectoryRecord {
  readonly name: string;
  readonly policy: RawPolicy;
  readonly createdAt: Date;
  readonly disabledAt: Date | null;
}

/** What an API key shows as a resource. */
interface ShownApiKey {
  readonly keyId: string;
  readonly tenant: string;
  readonly name: string;
  readonly scopes: readonly string[];
  readonly agent: string | null;
  readonly createdAt: Date;
  readonly expiresAt: Date | null;
  readonly disabledAt: Date | null;
  readonly lastUsedAt: Date | null;
}

export type Resource = Readonly<Record<string, unknown>>;

/** A tenant as the API shows it. The policy is the one of this level, as written. */
export function tenantResource(
  record: DirectoryRecord & { readonly tenant: string; readonly deletion: object | null },
): Resource {
  const state: { state?: TenantLifeState } = record.deletion === null ? {} : { state: 'deleting' };
  return { tenant: record.tenant, ...common(record), ...state };
}

/** An agent as the API shows it, without its secrets. */
export function agentResource(record: DirectoryRecord & { readonly tenant: string; readonly agent: string }): Resource {
  return { agent: record.agent, tenant: record.tenant, ...common(record) };
}

/** An API key as the API shows it, without its text. */
export function apiKeyResource(key: ShownApiKey): Resource {
  const { keyId, tenant, name, scopes, agent, createdAt, expiresAt, disabledAt, lastUsedAt } = key;
  return {
    ...{ id: keyId, tenant, name, scopes, ...(agent !== null && { agent }), state: stateOf(disabledAt) },
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    lastUsedAt: lastUsedAt?.toISOString() ?? null,
  };
}

/**
 * One page of a list. It ends before the limit when its items would have more than {@link MAX_PAGE_BYTES}, but has at least
 * one item.
 * @param found one more record than the page has, if there are further pages
 * @param id the field by which the list is ordered
 */
export function pageOf(found: readonly Resource[], limit: number, id: string): Resource {
  const items: Resource[] = [];
  let bytes = 0;
  for (const item of found.slice(0, limit)) {
    bytes += Buffer.byteLength(JSON.stringify(item));
    if (bytes > MAX_PAGE_BYTES && items.length > 0) break;
    items.push(item);
  }
  return { items, nextCursor: found.length > items.length ? items.at(-1)?.[id] : null };
}

function common({ name, policy, createdAt, disabledAt }: DirectoryRecord): Resource {
  return { name, policy, state: stateOf(disabledAt), createdAt: createdAt.toISOString() };
}

function stateOf(disabledAt: Date | null): DirectoryState {
  return disabledAt === null ? 'enabled' : 'disabled';
}
