import { Badge, Button, Group, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { usePermission } from '../../api/session.js';
import { PagedTable } from '../../components/paged-table.js';
import { Time, useNow } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { CreateDialog, type CreateValues } from './create-dialog.js';
import { PolicyEditor } from './policy-editor.js';
import { SecretsDialog, type ShownSecrets } from './secrets-dialog.js';
import { StateActions, StateBadge } from './state-actions.js';

const PAGE_SIZE = 50;
/** An end that is nearer than this is marked: time to replace a key at everybody who uses it. */
const NEAR_MS = 14 * 86_400_000;
const SCOPES = ['verify', 'manage', 'manage:read', 'audit'] as const;

/** Agents, API keys and policy of a tenant. */
export function TenantDetail({ tenant }: { readonly tenant: string }) {
  const queries = useQueryClient();
  const [secrets, setSecrets] = useState<ShownSecrets>();
  const [agent, setAgent] = useState<string>();
  const show = async (made: ShownSecrets | undefined): Promise<void> => {
    setSecrets(made);
    await queries.invalidateQueries({ queryKey: ['tenants', tenant] });
  };
  return (
    <>
      <Agents
        tenant={tenant}
        show={show}
        onPolicy={setAgent}
        onDeleted={(deleted) => setAgent((shown) => (shown === deleted ? undefined : shown))}
      />
      <Keys tenant={tenant} show={show} />
      <Part
        title={texts.tenants.of(texts.tenants.policy, agent ?? tenant)}
        action={
          agent !== undefined && (
            <Button size="xs" variant="default" onClick={() => setAgent(undefined)}>
              {texts.tenants.of(texts.tenants.policy, tenant)}
            </Button>
          )
        }
      >
        <PolicyEditor key={agent ?? ''} tenant={tenant} agent={agent} />
      </Part>
      <SecretsDialog secrets={secrets} onClose={() => setSecrets(undefined)} />
    </>
  );
}

interface PartProps {
  readonly title: string;
  readonly action: ReactNode;
  readonly children: ReactNode;
}

function Part({ title, action, children }: PartProps) {
  return (
    <section>
      <Group justify="space-between" mt="lg" mb="xs">
        <Title order={3} size="h4">
          {title}
        </Title>
        {action}
      </Group>
      {children}
    </section>
  );
}

interface ListProps {
  readonly tenant: string;
  /** Shows new secrets, once. */
  readonly show: (secrets: ShownSecrets | undefined) => Promise<void>;
}

interface AgentsProps extends ListProps {
  readonly onPolicy: (agent: string) => void;
  readonly onDeleted: (agent: string) => void;
}

function Agents({ tenant, show, onPolicy, onDeleted }: AgentsProps) {
  const mayManage = usePermission('manage', tenant);
  const { columns, agents, policy } = texts.tenants;
  const create = async ({ fields }: CreateValues): Promise<void> => {
    const { id = '', name } = fields;
    const body = { agent: id, ...(name !== undefined && { name }) };
    const made = await api.POST('/v1/tenants/{tenant}/agents', { params: { path: { tenant } }, body });
    if (made.data) await show({ username: made.data.username, password: made.data.password, apiKey: made.data.apiKey });
  };
  const form = (
    <CreateDialog
      title={texts.tenants.createAgent}
      create={create}
      fields={[
        { name: 'id', label: texts.tenants.id, hint: texts.tenants.idHint, isRequired: true },
        { name: 'name', label: texts.tenants.name },
      ]}
    />
  );
  return (
    <Part title={agents} action={mayManage && form}>
      <PagedTable
        label={agents}
        empty={texts.tenants.noneYet}
        queryKey={['tenants', tenant, 'agents']}
        load={async (cursor) => {
          const query = { limit: PAGE_SIZE, ...(cursor !== undefined && { cursor }) };
          return (await api.GET('/v1/tenants/{tenant}/agents', { params: { path: { tenant }, query } })).data;
        }}
        rowKey={(row) => row.agent}
        columns={[
          { title: columns.id, cell: (row) => row.agent },
          { title: columns.name, cell: ({ name }) => name },
          { title: columns.state, cell: ({ state }) => <StateBadge state={state} /> },
          { title: columns.created, cell: ({ createdAt }) => <Time at={createdAt} /> },
          {
            title: policy,
            cell: (row) => (
              <Button
                size="xs"
                variant="default"
                aria-label={`${texts.tenants.open}: ${texts.tenants.of(policy, row.agent)}`}
                onClick={() => onPolicy(row.agent)}
              >
                {texts.tenants.open}
              </Button>
            ),
          },
          {
            title: columns.actions,
            isHidden: !mayManage,
            cell: (row) => {
              const params = { path: { tenant, agent: row.agent } };
              const path = '/v1/tenants/{tenant}/agents/{agent}';
              return (
                <StateActions
                  tenant={tenant}
                  name={row.agent}
                  state={row.state}
                  disable={(reason) => api.POST(`${path}/disable`, { params, body: { reason } })}
                  enable={() => api.POST(`${path}/enable`, { params })}
                  deletion={{
                    text: texts.tenants.deleteAgentText,
                    done: texts.tenants.deleted,
                    act: async (reason) => {
                      await api.DELETE(path, { params: { ...params, query: { reason } } });
                      onDeleted(row.agent);
                    },
                  }}
                  rotate={async () => {
                    const { data } = await api.POST(`${path}/rotate`, { params, body: {} });
                    await show(data && { password: data.password, apiKey: data.apiKey });
                  }}
                />
              );
            },
          },
        ]}
      />
    </Part>
  );
}

function Keys({ tenant, show }: ListProps) {
  const mayManage = usePermission('manage', tenant);
  const { columns, keys } = texts.tenants;
  const create = async ({ fields: { name = '', agent, expiresAt }, scopes }: CreateValues): Promise<void> => {
    const end = expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() };
    const body = { name, scopes, ...(agent !== undefined && { agent }), ...end } as components['schemas']['ApiKeyBody'];
    const { data } = await api.POST('/v1/tenants/{tenant}/keys', { params: { path: { tenant } }, body });
    await show(data && { key: data.key });
  };
  const form = (
    <CreateDialog
      title={texts.tenants.createKey}
      create={create}
      scopes={SCOPES}
      fields={[
        { name: 'name', label: texts.tenants.name, isRequired: true },
        { name: 'agent', label: texts.tenants.agent, hint: texts.tenants.agentHint },
        { name: 'expiresAt', label: texts.tenants.expiresAt, hint: texts.tenants.expiresHint, type: 'datetime-local' },
      ]}
    />
  );
  return (
    <Part title={keys} action={mayManage && form}>
      <PagedTable
        label={keys}
        empty={texts.tenants.noneYet}
        queryKey={['tenants', tenant, 'keys']}
        load={async (cursor) => {
          const query = { limit: PAGE_SIZE, ...(cursor !== undefined && { cursor }) };
          return (await api.GET('/v1/tenants/{tenant}/keys', { params: { path: { tenant }, query } })).data;
        }}
        rowKey={({ id }) => id}
        columns={[
          { title: columns.id, cell: ({ id }) => id },
          { title: columns.name, cell: ({ name }) => name },
          { title: columns.scopes, cell: ({ scopes }) => scopes.map((scope) => texts.words.scopes[scope]).join(', ') },
          { title: texts.tenants.agent, cell: ({ agent }) => agent },
          { title: columns.state, cell: ({ state }) => <StateBadge state={state} /> },
          { title: columns.expires, cell: ({ expiresAt }) => <Expiry at={expiresAt} /> },
          { title: columns.lastUsed, cell: ({ lastUsedAt }) => timeOrNever(lastUsedAt) },
          {
            title: columns.actions,
            isHidden: !mayManage,
            cell: ({ id, state }) => {
              const params = { path: { tenant, keyId: id } };
              const path = '/v1/tenants/{tenant}/keys/{keyId}';
              return (
                <StateActions
                  tenant={tenant}
                  name={id}
                  state={state}
                  disable={(reason) => api.POST(`${path}/disable`, { params, body: { reason } })}
                  enable={() => api.POST(`${path}/enable`, { params })}
                  deletion={{
                    text: texts.tenants.deleteKeyText,
                    done: texts.tenants.deleted,
                    act: (reason) => api.DELETE(path, { params: { ...params, query: { reason } } }),
                  }}
                  rotate={async () => {
                    const { data } = await api.POST(`${path}/rotate`, { params, body: {} });
                    await show(data && { key: data.key });
                  }}
                />
              );
            },
          },
        ]}
      />
    </Part>
  );
}

const timeOrNever = (time: string | null): ReactNode => (time === null ? texts.tenants.never : <Time at={time} />);

/** When a key ends, marked when that is soon or over. */
function Expiry({ at }: { readonly at: string | null }) {
  const now = useNow(60_000);
  if (at === null) return texts.tenants.never;
  const remaining = Date.parse(at) - now;
  return (
    <>
      <Time at={at} />{' '}
      {remaining < NEAR_MS && (
        <Badge variant="light" color={remaining <= 0 ? 'red' : 'yellow'} tt="none" miw="max-content">
          {remaining <= 0 ? texts.tenants.expired : texts.tenants.expiresSoon}
        </Badge>
      )}
    </>
  );
}
