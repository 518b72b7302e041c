import { Badge, Button } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { DataTable, type Column } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { ForTenant } from '../../components/tenant.js';
import { Time } from '../../components/time.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';

type Webhook = components['schemas']['WebhookState'];

const text = texts.webhooks;

export default function WebhooksPage(): ReactNode {
  return (
    <Page title={texts.pages.webhooks}>
      <ForTenant permission="read">{(tenant) => <WebhookList key={tenant} tenant={tenant} />}</ForTenant>
    </Page>
  );
}

function WebhookList({ tenant }: { readonly tenant: string }) {
  const list = useInfiniteQuery({
    queryKey: ['webhooks', tenant],
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: { nextCursor: string | null } | undefined) => page?.nextCursor ?? undefined,
    queryFn: async ({ pageParam: cursor }) =>
      (await api.GET('/v1/tenants/{tenant}/webhooks', { params: { path: { tenant }, query: { cursor } } })).data,
  });
  return (
    <>
      <ProblemAlert error={list.error} retry={() => void list.refetch()} />
      {list.isSuccess && (
        <DataTable
          label={texts.pages.webhooks}
          columns={COLUMNS}
          rows={list.data.pages.flatMap((page) => page?.items ?? [])}
          rowKey={({ id }) => id}
          empty={text.empty}
        />
      )}
      {list.hasNextPage && (
        <Button variant="default" mt="sm" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {texts.more}
        </Button>
      )}
    </>
  );
}

const COLUMNS: readonly Column<Webhook>[] = [
  {
    title: text.columns.url,
    cell: ({ tenant, id, url }) => (
      <Link to="/webhooks/$tenant/$webhook" params={{ tenant, webhook: id }}>
        {url}
      </Link>
    ),
  },
  { title: text.columns.description, cell: ({ description }) => description },
  {
    title: text.columns.kinds,
    cell: ({ eventTypes }) => eventTypes.map((type) => labelOf(texts.words.kinds, type)).join(', '),
  },
  {
    title: text.columns.state,
    cell: ({ state, disabledReason }) => (
      <Badge color={state === 'enabled' ? 'green' : 'red'} variant="light" tt="none">
        {text.state(
          labelOf(texts.words.states, state),
          disabledReason === null ? undefined : labelOf(texts.words.disabledReasons, disabledReason),
        )}
      </Badge>
    ),
  },
  { title: text.columns.failingSince, cell: ({ failingSince }) => failingSince && <Time at={failingSince} /> },
];
