import { Alert, Anchor, Button, Group, NativeSelect, Switch, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { usePermission } from '../../api/session.js';
import { subjectWithId } from '../../api/subject-search.js';
import { Page } from '../../components/page.js';
import { PagedTable } from '../../components/paged-table.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { ForTenants } from '../../components/tenant.js';
import { Time } from '../../components/time.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';
import { EventDetail } from './event-detail.js';
import { EVENT_KINDS, type EventKind } from './event-kinds.js';
import { Exports } from './exports.js';
import { LogState, PinnedKeys } from './log-state.js';
import { usePinnedKeys } from './pinned-keys.js';
import { pageWithoutReads } from './shown-events.js';
import { refusedTerm, type TypedTerms } from './typed-terms.js';

const PAGE_SIZE = 50;

interface Filters extends TypedTerms {
  readonly type?: EventKind;
  readonly from?: string;
  readonly to?: string;
}

interface Searched {
  readonly filters: Filters;
  /** How often the operator has searched: the same search again reads again. */
  readonly searches: number;
}

/** Search, proof and export of events, and the state of the log. */
export default function AuditPage(): ReactNode {
  return (
    <ForTenants title={texts.pages.audit} permission="audit">
      {(tenant) => <Audit key={tenant ?? ''} tenant={tenant} />}
    </ForTenants>
  );
}

function Audit({ tenant }: { readonly tenant: string | undefined }) {
  const [{ filters, searches }, setSearch] = useState<Searched>({ filters: {}, searches: 0 });
  const [event, setEvent] = useState<string>();
  const [pinned, pin] = usePinnedKeys();
  const search = (given: Filters): void => setSearch({ filters: given, searches: searches + 1 });
  const chosen = { ...(tenant !== undefined && { tenant }), ...filters };
  return (
    <Page title={texts.pages.audit}>
      <LogState tenant={tenant} />
      <PinnedKeys pinned={pinned} pin={pin} />
      <Search tenant={tenant} onSearch={search} />
      <ShownFilters filters={filters} onClear={() => search({})} />
      <Exports filters={chosen} />
      <Events
        filters={chosen}
        searches={searches}
        onOpen={setEvent}
        onSelect={(term) => search({ ...filters, ...term })}
      />
      <EventDetail event={event} tenant={tenant} pinned={pinned} onClose={() => setEvent(undefined)} />
    </Page>
  );
}

interface SearchProps {
  readonly tenant: string | undefined;
  readonly onSearch: (filters: Filters) => void;
}

function Search({ tenant, onSearch }: SearchProps) {
  const [given, setGiven] = useState<Filters>({});
  const mayRead = usePermission('read', tenant);
  const { columns, from, to, anyType } = texts.audit;
  const check = useMutation({
    mutationFn: (filters: Filters) =>
      refusedTerm(filters, mayRead && tenant !== undefined ? (id) => subjectWithId(tenant, id) : undefined),
    gcTime: 0,
    onSuccess: (refused, filters) => {
      if (refused === undefined) onSearch(filters);
    },
  });
  const set = (name: keyof Filters) => (event: { readonly currentTarget: { readonly value: string } }) => {
    check.reset();
    setGiven({ ...given, [name]: event.currentTarget.value });
  };
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    check.mutate(filtersOf(given));
  };
  const refused = check.isSuccess ? check.data : undefined;
  const errorOf = (name: keyof TypedTerms): string | undefined =>
    refused?.field === name ? texts.audit[refused.why] : undefined;
  return (
    <form onSubmit={onSubmit} aria-label={texts.audit.search} autoComplete="off">
      <Group align="flex-end">
        <NativeSelect
          label={columns.type}
          value={given.type ?? ''}
          onChange={set('type')}
          data={[{ value: '', label: anyType }, ...EVENT_KINDS]}
        />
        <TextInput
          label={columns.subject}
          value={given.subject ?? ''}
          maxLength={128}
          onChange={set('subject')}
          error={errorOf('subject') !== undefined}
        />
        <TextInput
          label={columns.call}
          value={given.call ?? ''}
          maxLength={256}
          onChange={set('call')}
          error={errorOf('call') !== undefined}
        />
        <TextInput type="datetime-local" label={from} value={given.from ?? ''} onChange={set('from')} />
        <TextInput type="datetime-local" label={to} value={given.to ?? ''} onChange={set('to')} />
        <Button type="submit" loading={check.isPending}>
          {texts.audit.search}
        </Button>
      </Group>
      {refused !== undefined && (
        <Alert color="yellow" role="alert" my="sm">
          {errorOf(refused.field)}
        </Alert>
      )}
      <ProblemAlert error={check.error} />
    </form>
  );
}

/** What was typed, without empty fields, and with times in UTC. A time that JavaScript cannot read is sent as it is, and refused. */
function filtersOf(given: Filters): Filters {
  const filled = Object.entries({ ...given } as Readonly<Record<string, string>>)
    .map(([name, value]) => [name, value.trim()] as const)
    .filter(([, value]) => value !== '');
  return Object.fromEntries(
    filled.map(([name, value]) => [name, name === 'from' || name === 'to' ? utcOf(value) : value]),
  );
}

function utcOf(typed: string): string {
  const time = new Date(typed);
  return Number.isNaN(time.getTime()) ? typed : time.toISOString();
}

/** A subject or call that was selected in the list is in no field of the form, so it is shown here. */
function ShownFilters({ filters, onClear }: { readonly filters: Filters; readonly onClear: () => void }) {
  const { columns, from, to } = texts.audit;
  const shown = [
    ...(filters.type === undefined ? [] : [`${columns.type}: ${labelOf(texts.words.kinds, filters.type)}`]),
    ...(filters.subject === undefined ? [] : [`${columns.subject}: ${filters.subject}`]),
    ...(filters.call === undefined ? [] : [`${columns.call}: ${filters.call}`]),
  ];
  const times = [
    ...(filters.from === undefined ? [] : [{ name: from, at: filters.from }]),
    ...(filters.to === undefined ? [] : [{ name: to, at: filters.to }]),
  ];
  if (shown.length + times.length === 0) return null;
  return (
    <Group mt="sm" gap="sm">
      <Text>
        {texts.audit.filters}: {shown.join(' · ')}
        {times.map(({ name, at }) => (
          <span key={name}>
            {' · '}
            {name} <Time at={at} />
          </span>
        ))}
      </Text>
      <Button size="xs" variant="default" onClick={onClear}>
        {texts.audit.clear}
      </Button>
    </Group>
  );
}

interface EventsProps {
  readonly filters: Filters & { readonly tenant?: string };
  readonly searches: number;
  readonly onOpen: (event: string) => void;
  /** Shows only the events of a subject or a call. */
  readonly onSelect: (term: TypedTerms) => void;
}

function Events({ filters, searches, onOpen, onSelect }: EventsProps) {
  const { columns } = texts.audit;
  const [showsReads, setShowsReads] = useState(false);
  // A search for one kind finds no other.
  const hidesReads = !showsReads && filters.type === undefined;
  const load = async (limit: number, cursor: string | undefined) => {
    const query = { ...filters, limit, ...(cursor !== undefined && { cursor }) };
    return (await api.GET('/v1/events', { params: { query } })).data;
  };
  return (
    <>
      {filters.type === undefined && (
        <Switch
          my="sm"
          label={texts.audit.showReads}
          description={texts.audit.showReadsHint}
          checked={showsReads}
          onChange={(event) => setShowsReads(event.currentTarget.checked)}
        />
      )}
      <PagedTable
        label={texts.pages.audit}
        empty={texts.events.empty}
        queryKey={['events', filters, searches, hidesReads]}
        load={(cursor) => (hidesReads ? pageWithoutReads(load, PAGE_SIZE, cursor) : load(PAGE_SIZE, cursor))}
        rowKey={({ id }) => id}
        columns={[
          { title: columns.time, cell: ({ time }) => <Time at={time} /> },
          {
            title: columns.type,
            cell: ({ id, type }) => (
              <Anchor component="button" type="button" onClick={() => onOpen(id)}>
                {labelOf(texts.words.kinds, type)}
              </Anchor>
            ),
          },
          { title: columns.tenant, cell: ({ tenant }) => tenant },
          {
            title: columns.subject,
            cell: ({ subject }) => <Term value={subject} onSelect={() => onSelect({ subject: subject ?? '' })} />,
          },
          {
            title: columns.call,
            cell: ({ call }) => <Term value={call} onSelect={() => onSelect({ call: call ?? '' })} />,
          },
          { title: columns.index, cell: ({ index }) => index },
        ]}
      />
    </>
  );
}

function Term({ value, onSelect }: { readonly value: string | null; readonly onSelect: () => void }) {
  if (value === null) return null;
  return (
    <Anchor component="button" type="button" aria-label={texts.audit.only(value)} onClick={onSelect}>
      {value}
    </Anchor>
  );
}
