import { Button, Text, Title } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { usePermission, useSession } from '../../api/session.js';
import { Page } from '../../components/page.js';
import { PagedTable } from '../../components/paged-table.js';
import { useChooseTenant, useTenant } from '../../components/tenant.js';
import { Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { CreateDialog, type CreateValues } from './create-dialog.js';
import { StateActions, StateBadge } from './state-actions.js';
import { TenantDetail } from './tenant-detail.js';

const PAGE_SIZE = 50;

/** Tenants, and the agents, keys and policy of the chosen one. */
export default function TenantsPage(): ReactNode {
  const mayRead = usePermission('read');
  const mayReadChosen = usePermission('read', useTenant());
  return mayRead ? (
    <Tenants mayReadChosen={mayReadChosen} />
  ) : (
    <Page title={texts.pages.tenants}>
      <Text>{texts.notPermitted}</Text>
    </Page>
  );
}

/** @param mayReadChosen in the tenant that the pages show */
function Tenants({ mayReadChosen }: { readonly mayReadChosen: boolean }) {
  const tenant = useTenant();
  const { operator } = useSession();
  const choose = useChooseTenant();
  const queries = useQueryClient();
  const mayManage = usePermission('manage');
  const { columns } = texts.tenants;
  const create = async ({ fields }: CreateValues): Promise<void> => {
    const { id = '', name = id } = fields;
    // Only a tenant that does not exist: the form must not change one.
    const params = { path: { tenant: id }, header: { 'If-None-Match': '*' } };
    await api.PUT('/v1/tenants/{tenant}', { params, body: { name } });
    await queries.invalidateQueries({ queryKey: ['tenants'] });
    choose(id);
  };
  return (
    <Page
      title={texts.pages.tenants}
      actions={
        mayManage && (
          <CreateDialog
            title={texts.tenants.createTenant}
            create={create}
            fields={[
              { name: 'id', label: texts.tenants.id, hint: texts.tenants.idHint, isRequired: true },
              { name: 'name', label: texts.tenants.name },
            ]}
          />
        )
      }
    >
      <PagedTable
        label={texts.pages.tenants}
        empty={texts.tenants.noneYet}
        queryKey={['tenants', 'list']}
        load={async (cursor) => {
          const query = { limit: PAGE_SIZE, ...(cursor !== undefined && { cursor }) };
          return (await api.GET('/v1/tenants', { params: { query } })).data;
        }}
        rowKey={(row) => row.tenant}
        columns={[
          { title: columns.id, cell: (row) => row.tenant },
          { title: columns.name, cell: ({ name }) => name },
          { title: columns.state, cell: ({ state }) => <StateBadge state={state} /> },
          { title: columns.created, cell: ({ createdAt }) => <Time at={createdAt} /> },
          {
            title: texts.tenants.open,
            cell: (row) => (
              <Button
                size="xs"
                variant="default"
                aria-label={`${texts.tenants.open} ${row.tenant}`}
                onClick={() => choose(row.tenant)}
              >
                {texts.tenants.open}
              </Button>
            ),
          },
          {
            title: columns.actions,
            isHidden: !mayManage,
            cell: (row) => {
              const params = { path: { tenant: row.tenant } };
              return (
                <StateActions
                  tenant={row.tenant}
                  name={row.tenant}
                  state={row.state}
                  disable={(reason) => api.POST('/v1/tenants/{tenant}/disable', { params, body: { reason } })}
                  enable={() => api.POST('/v1/tenants/{tenant}/enable', { params })}
                  deletion={{
                    text: texts.tenants.deleteTenantText,
                    done: texts.tenants.deletionBegun,
                    // The API deletes no tenant that is in use: two steps keep a mistake from it.
                    needsDisabled: true,
                    word: row.tenant,
                    act: async (reason) => {
                      await api.DELETE('/v1/tenants/{tenant}', {
                        params: { path: { tenant: row.tenant }, query: { reason } },
                      });
                      if (row.tenant === tenant && operator.tenants === null) choose(undefined);
                    },
                  }}
                />
              );
            },
          },
        ]}
      />
      {tenant !== undefined && mayReadChosen && (
        <section aria-labelledby="chosen-tenant">
          <Title order={2} size="h3" mt="xl" id="chosen-tenant">
            {tenant}
          </Title>
          <TenantDetail key={tenant} tenant={tenant} />
        </section>
      )}
    </Page>
  );
}
