import { Anchor, Button, Group, NativeSelect, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { api } from '../../api/client.js';
import { Page } from '../../components/page.js';
import { PagedTable } from '../../components/paged-table.js';
import { useTenant } from '../../components/tenant.js';
import { Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { EventDetail } from './event-detail.js';
import { EVENT_KINDS, type EventKind } from './event-kinds.js';
import { LogState, PinnedKeys } from './log-state.js';
import { usePinnedKeys } from './pinned-keys.js';

const PAGE_SIZE = 50;
const FORMATS = ['ndjson', 'csv', 'ndjson.gz'] as const;

interface Filters {
  readonly type?: EventKind;
  readonly subject?: string;
  readonly call?: string;
  readonly from?: string;
  readonly to?: string;
}

interface Searched {
  readonly filters: Filters;
  /** How often the operator has searched: the same search again reads again. */
  readonly searches: number;
}

/** Search, proof and export of events, and the state of the log. */
export default function AuditPage() {
  const tenant = useTenant();
  const [{ filters, searches }, setSearch] = useState<Searched>({ filters: {}, searches: 0 });
  const [event, setEvent] = useState<string>();
  const [pinned, pin] = usePinnedKeys();
  const chosen = { ...(tenant !== undefined && { tenant }), ...filters };
  return (
    <Page title={texts.pages.audit}>
      <LogState />
      <PinnedKeys pinned={pinned} pin={pin} />
      <Search onSearch={(given) => setSearch({ filters: given, searches: searches + 1 })} />
      <Group my="sm">
        {FORMATS.map((format) => (
          <Anchor
            key={format}
            href={`/v1/events/export?${new URLSearchParams({ ...chosen, format }).toString()}`}
            download
          >
            {texts.audit.export(format)}
          </Anchor>
        ))}
      </Group>
      <Events filters={chosen} searches={searches} onOpen={setEvent} />
      <EventDetail event={event} pinned={pinned} onClose={() => setEvent(undefined)} />
    </Page>
  );
}

function Search({ onSearch }: { readonly onSearch: (filters: Filters) => void }) {
  const [given, setGiven] = useState<Filters>({});
  const { columns, from, to, anyType, search } = texts.audit;
  const set = (name: keyof Filters) => (event: { readonly currentTarget: { readonly value: string } }) =>
    setGiven({ ...given, [name]: event.currentTarget.value });
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    const times = ['from', 'to'] as const;
    const filled = Object.entries({ ...given } as Readonly<Record<string, string>>).filter(
      ([, value]) => value.trim() !== '',
    );
    onSearch(
      Object.fromEntries(
        filled.map(([name, value]) => [
          name,
          times.some((time) => time === name) ? new Date(value).toISOString() : value.trim(),
        ]),
      ),
    );
  };
  return (
    <form onSubmit={onSubmit} aria-label={search}>
      <Group align="flex-end">
        <NativeSelect
          label={columns.type}
          value={given.type ?? ''}
          onChange={set('type')}
          data={[{ value: '', label: anyType }, ...EVENT_KINDS]}
        />
        <TextInput label={columns.subject} value={given.subject ?? ''} maxLength={128} onChange={set('subject')} />
        <TextInput label={columns.call} value={given.call ?? ''} maxLength={256} onChange={set('call')} />
        <TextInput type="datetime-local" label={from} value={given.from ?? ''} onChange={set('from')} />
        <TextInput type="datetime-local" label={to} value={given.to ?? ''} onChange={set('to')} />
        <Button type="submit">{search}</Button>
      </Group>
    </form>
  );
}

interface EventsProps {
  readonly filters: Filters & { readonly tenant?: string };
  readonly searches: number;
  readonly onOpen: (event: string) => void;
}

function Events({ filters, searches, onOpen }: EventsProps) {
  const { columns } = texts.audit;
  return (
    <PagedTable
      label={texts.pages.audit}
      queryKey={['events', filters, searches]}
      load={async (cursor) => {
        const query = { ...filters, limit: PAGE_SIZE, ...(cursor !== undefined && { cursor }) };
        return (await api.GET('/v1/events', { params: { query } })).data;
      }}
      rowKey={({ id }) => id}
      columns={[
        { title: columns.time, cell: ({ time }) => <Time at={time} /> },
        {
          title: columns.type,
          cell: ({ id, type }) => (
            <Anchor component="button" type="button" onClick={() => onOpen(id)}>
              {type}
            </Anchor>
          ),
        },
        { title: columns.tenant, cell: ({ tenant }) => tenant },
        { title: columns.subject, cell: ({ subject }) => subject },
        { title: columns.call, cell: ({ call }) => call },
        { title: columns.index, cell: ({ index }) => index },
      ]}
    />
  );
}
