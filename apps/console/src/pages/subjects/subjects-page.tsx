import { Button, Group, NativeSelect, Paper, TextInput, Title } from '@mantine/core';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState, type FormEvent, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { useAnnounce } from '../../components/announcer.js';
import { DataTable, type Column } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { ForTenant } from '../../components/tenant.js';
import { texts } from '../../texts/texts.js';
import { CredentialState } from './credential-state.js';

type Subject = components['schemas']['SubjectDetails'];

const text = texts.subjects;

export default function SubjectsPage(): ReactNode {
  return (
    <Page title={texts.pages.subjects}>
      <ForTenant>
        {(tenant) => (
          <>
            <Search tenant={tenant} />
            <SubjectList key={tenant} tenant={tenant} />
          </>
        )}
      </ForTenant>
    </Page>
  );
}

/** A number has a plus; the ids of a tenant can look like anything else. */
const isNumber = (term: string): boolean => /^\+[\d\s().-]+$/.test(term);

/** Opens the subject with an id or a number. A number is sent in the body of a request, and kept nowhere. */
function Search({ tenant }: { readonly tenant: string }) {
  const [term, setTerm] = useState('');
  const navigate = useNavigate();
  const announce = useAnnounce();
  const search = useMutation({
    mutationFn: (searched: string) => findSubject(tenant, searched),
    gcTime: 0,
    onSuccess: async (subject) => {
      if (subject === undefined) return announce(text.notFound);
      setTerm('');
      await navigate({ to: '/subjects/$tenant/$subject', params: { tenant, subject } });
    },
  });
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    search.mutate(term.trim());
  };
  return (
    <Paper withBorder p="md" mb="lg">
      <form onSubmit={onSubmit} role="search" autoComplete="off">
        <Group align="end">
          <TextInput
            required
            label={text.search}
            description={text.searchHint}
            value={term}
            maxLength={128}
            error={search.isSuccess && search.data === undefined ? text.notFound : undefined}
            onChange={(event) => {
              setTerm(event.currentTarget.value);
              search.reset();
            }}
          />
          <Button type="submit" loading={search.isPending}>
            {text.find}
          </Button>
        </Group>
        <ProblemAlert error={search.error} />
      </form>
    </Paper>
  );
}

/** @returns the id of the subject; undefined when there is none with this number */
async function findSubject(tenant: string, term: string): Promise<string | undefined> {
  if (!isNumber(term)) return term;
  const { data } = await api.POST('/v1/tenants/{tenant}/subjects:search', {
    params: { path: { tenant } },
    body: { phone: term },
  });
  return data?.items[0]?.subject;
}

const FILTERS = ['locked', 'disabled', 'none', 'all'] as const;
type Filter = (typeof FILTERS)[number];

/** Subjects whose credentials need attention, first of all those that are locked. */
function SubjectList({ tenant }: { readonly tenant: string }) {
  const [filter, setFilter] = useState<Filter>('locked');
  const list = useInfiniteQuery({
    queryKey: ['subjects', tenant, filter],
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: { nextCursor: string | null } | undefined) => page?.nextCursor ?? undefined,
    queryFn: async ({ pageParam }) => {
      const query = { limit: 50, cursor: pageParam, credential: filter === 'all' ? undefined : filter };
      return (await api.GET('/v1/tenants/{tenant}/subjects', { params: { path: { tenant }, query } })).data;
    },
  });
  return (
    <section>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h3">
          {text.list}
        </Title>
        <NativeSelect
          aria-label={text.filter}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value as Filter)}
          data={FILTERS.map((value) => ({ value, label: text.filters[value] }))}
        />
      </Group>
      <ProblemAlert error={list.error} retry={() => void list.refetch()} />
      {list.isSuccess && (
        <DataTable
          label={text.list}
          columns={columnsFor(tenant)}
          rows={list.data.pages.flatMap((page) => page?.items ?? [])}
          rowKey={({ subject }) => subject}
          empty={text.empty}
        />
      )}
      {list.hasNextPage && (
        <Button variant="default" mt="sm" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
          {texts.more}
        </Button>
      )}
    </section>
  );
}

const columnsFor = (tenant: string): readonly Column<Subject>[] => [
  {
    title: text.columns.subject,
    cell: ({ subject }) => (
      <Link to="/subjects/$tenant/$subject" params={{ tenant, subject }}>
        {subject}
      </Link>
    ),
  },
  { title: text.columns.name, cell: ({ displayName }) => displayName },
  { title: text.columns.phones, cell: ({ phones }) => phones.join(', ') },
  {
    title: text.columns.state,
    cell: ({ credentials }) =>
      credentials.map((credential) => (
        <div key={credential.method}>
          {text.methods[credential.method]}: <CredentialState credential={credential} />
        </div>
      )),
  },
];
