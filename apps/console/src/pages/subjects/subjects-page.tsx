import { Button, Group, NativeSelect, Paper, Text, TextInput, Title } from '@mantine/core';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useEffect, useState, type FormEvent, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { subjectWithId, subjectWithNumber } from '../../api/subject-search.js';
import { useAnnounce } from '../../components/announcer.js';
import { DataTable, type Column } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { ForTenant } from '../../components/tenant.js';
import { texts } from '../../texts/texts.js';
import { CredentialState } from './credential-state.js';
import { findSubject } from './find-subject.js';

type Subject = components['schemas']['SubjectDetails'];

const text = texts.subjects;

export default function SubjectsPage(): ReactNode {
  return (
    <Page title={texts.pages.subjects}>
      <ForTenant permission="read">
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

/** Opens the subject with an id or a number. What is typed is sent in the body of a request, and kept nowhere. */
function Search({ tenant }: { readonly tenant: string }) {
  const [term, setTerm] = useState('');
  const navigate = useNavigate();
  const announce = useAnnounce();
  const search = useMutation({
    mutationFn: (searched: string) =>
      findSubject(searched, {
        byId: (id) => subjectWithId(tenant, id),
        byNumber: (phone) => subjectWithNumber(tenant, phone),
      }),
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

const FILTERS = ['locked', 'disabled', 'none', 'all'] as const;
type Filter = (typeof FILTERS)[number];

/** A filtered page reads at most 5,000 subjects, so it can be empty while more follow. Most empty pages in a row. */
const MOST_EMPTY_PAGES = 40;

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
  const rows = list.data?.pages.flatMap((page) => page?.items ?? []) ?? [];
  const { isSuccess, hasNextPage, isFetching, fetchNextPage } = list;
  const pages = list.data?.pages.length ?? 0;
  const isSearching = isSuccess && hasNextPage && rows.length === 0 && pages < MOST_EMPTY_PAGES;
  useEffect(() => {
    if (isSearching && !isFetching) void fetchNextPage();
  }, [isSearching, isFetching, fetchNextPage]);
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
      {isSearching && <Text role="status">{text.searching}</Text>}
      {isSuccess && !isSearching && (
        <DataTable
          label={text.list}
          columns={columnsFor(tenant)}
          rows={rows}
          rowKey={({ subject }) => subject}
          empty={hasNextPage ? text.emptySoFar : text.empty}
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
