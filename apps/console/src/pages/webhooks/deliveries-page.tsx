import { Badge, Button, Group, NativeSelect, Text } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { usePermission } from '../../api/session.js';
import { usePath } from '../../components/address.js';
import { useAnnounce } from '../../components/announcer.js';
import { DataTable, type Column } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Time } from '../../components/time.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';

type Delivery = components['schemas']['DeliveryResource'];
type DeliveryState = Delivery['state'];
type WebhookPath = Readonly<{ tenant: string; webhook: string }>;

const text = texts.webhooks;
const ALL = '';

export default function DeliveriesPage(): ReactNode {
  const path = usePath('tenant', 'webhook');
  if (usePermission('read', path.tenant)) return <Deliveries path={path} />;
  return (
    <Page title={texts.pages.webhooks}>
      <Text>{texts.notPermitted}</Text>
    </Page>
  );
}

function Deliveries({ path }: { readonly path: WebhookPath }) {
  const [state, setState] = useState<DeliveryState | typeof ALL>(ALL);
  const mayManage = usePermission('manage', path.tenant);
  const webhook = useQuery({
    queryKey: ['webhook', path.tenant, path.webhook],
    queryFn: async () => (await api.GET('/v1/tenants/{tenant}/webhooks/{webhook}', { params: { path } })).data,
  });
  const list = useInfiniteQuery({
    queryKey: ['deliveries', path.tenant, path.webhook, state],
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: { nextCursor: string | null } | undefined) => page?.nextCursor ?? undefined,
    queryFn: async ({ pageParam: cursor }) => {
      const query = { cursor, state: state === ALL ? undefined : state };
      const answer = await api.GET('/v1/tenants/{tenant}/webhooks/{webhook}/deliveries', { params: { path, query } });
      return answer.data;
    },
  });
  const replay = useReplay(path);
  const columns = mayManage ? [...COLUMNS, replayColumn(replay.mutate)] : COLUMNS;
  return (
    <Page title={text.deliveries}>
      <ProblemAlert error={webhook.error ?? list.error ?? replay.error} />
      <Text mb="sm">{webhook.data?.url}</Text>
      <Group mb="sm" align="end">
        <NativeSelect
          label={text.columns.state}
          value={state}
          onChange={(event) => setState(event.currentTarget.value as DeliveryState | typeof ALL)}
          data={[
            { value: ALL, label: text.allStates },
            ...Object.entries(text.deliveryStates).map(([value, label]) => ({ value, label })),
          ]}
        />
        <Button variant="default" onClick={() => void list.refetch()}>
          {texts.refresh}
        </Button>
      </Group>
      {list.isSuccess && (
        <DataTable
          label={text.deliveries}
          columns={columns}
          rows={list.data.pages.flatMap((page) => page?.items ?? [])}
          rowKey={({ id }) => id}
          empty={text.noDeliveries}
        />
      )}
      {list.hasNextPage && (
        <Button variant="default" mt="sm" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {texts.more}
        </Button>
      )}
    </Page>
  );
}

function useReplay(path: WebhookPath) {
  const queries = useQueryClient();
  const announce = useAnnounce();
  return useMutation({
    mutationFn: (delivery: string) =>
      api.POST('/v1/tenants/{tenant}/webhooks/{webhook}/deliveries/{delivery}/replay', {
        params: { path: { ...path, delivery } },
      }),
    onSuccess: async () => {
      announce(text.replayed);
      await queries.invalidateQueries({ queryKey: ['deliveries', path.tenant, path.webhook] });
    },
  });
}

/** The kind of an event from its type, such as `countersign.attempt.decided.v1`. */
const kindOf = (type: string): string =>
  labelOf(texts.words.kinds, type.replace(/^countersign\./, '').replace(/\.v\d+$/, ''));

const COLUMNS: readonly Column<Delivery>[] = [
  { title: texts.events.columns.time, cell: ({ createdAt }) => <Time at={createdAt} /> },
  { title: texts.events.columns.kind, cell: ({ eventType }) => kindOf(eventType) },
  {
    title: text.columns.state,
    cell: ({ state }) => (
      <Badge color={state === 'failed' ? 'red' : state === 'delivered' ? 'green' : 'gray'} variant="light" tt="none">
        {text.deliveryStates[state]}
      </Badge>
    ),
  },
  {
    title: text.columns.attempts,
    cell: ({ attempts }) => {
      const last = attempts.at(-1);
      return (
        last &&
        text.attempts(attempts.length, last.status ?? (last.error && labelOf(texts.words.deliveryFaults, last.error)))
      );
    },
  },
  { title: text.columns.next, cell: ({ nextAttemptAt }) => nextAttemptAt && <Time at={nextAttemptAt} /> },
];

const replayColumn = (replay: (delivery: string) => void): Column<Delivery> => ({
  title: texts.actions,
  cell: ({ id, eventType }) => (
    <Button size="xs" variant="default" aria-label={text.replayOf(kindOf(eventType))} onClick={() => replay(id)}>
      {text.replay}
    </Button>
  ),
});
