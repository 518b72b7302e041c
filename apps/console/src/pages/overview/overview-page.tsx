import { Badge, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { ApiProblem } from '../../api/problem.js';
import { usePermission } from '../../api/session.js';
import { BarChart, type Series } from '../../components/bar-chart.js';
import { DataTable, type Column } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { useTenant, useVisibleTenant } from '../../components/tenant.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';
import { addUp, beginOfDays, daysOf, successShare, type HourTotals, type Totals } from './counts.js';
import styles from './overview.module.css';

type Service = components['schemas']['ServiceState'];

const text = texts.overview;
const REFRESH_MS = 30_000;

export default function OverviewPage(): ReactNode {
  const counted = useVisibleTenant('audit');
  const mayRead = usePermission('read', useTenant());
  return (
    <Page title={texts.pages.overview}>
      {counted.is === 'shown' && <Counts tenant={counted.tenant} />}
      {counted.is === 'to-choose' && <Text>{texts.tenant.needed}</Text>}
      {mayRead && <Services />}
    </Page>
  );
}

const ATTEMPTS: readonly Series<HourTotals>[] = [
  { title: text.verified, color: 'good', value: ({ verified }) => verified },
  { title: text.rejected, color: 'other', value: ({ rejected }) => rejected },
  { title: text.refused, color: 'bad', value: ({ refused }) => refused },
];
const LIMITED: readonly Series<HourTotals>[] = [
  { title: text.limited, color: 'other', value: ({ limited }) => limited },
];
const LOCKED: readonly Series<HourTotals>[] = [{ title: text.locked, color: 'bad', value: ({ locked }) => locked }];
const SIGNALS: readonly Series<HourTotals>[] = [{ title: text.signals, color: 'bad', value: ({ signals }) => signals }];

/** The last day by the hour, and what changed since the day before. */
function Counts({ tenant }: { readonly tenant: string | undefined }) {
  const counts = useQuery({
    queryKey: ['counts', tenant],
    refetchInterval: REFRESH_MS,
    queryFn: async () => {
      const now = Date.now();
      const query = { tenant, from: beginOfDays(now), step: 'hour' } as const;
      const { data } = await api.GET('/v1/events/counts', { params: { query } });
      return daysOf(now, data?.items ?? []);
    },
  });
  if (counts.data === undefined) return <ProblemAlert error={counts.error} retry={() => void counts.refetch()} />;
  const { current, last, before } = counts.data;
  const today = [...last, current];
  return (
    <>
      <ProblemAlert error={counts.error} />
      <Text c="dimmed" mb="sm">
        {text.bars}
      </Text>
      <div className={styles['charts']}>
        <BarChart title={text.attempts} points={today} series={ATTEMPTS} />
        <BarChart title={text.limited} points={today} series={LIMITED} />
        <BarChart title={text.locked} points={today} series={LOCKED} />
        <BarChart title={text.signals} points={today} series={SIGNALS} />
      </div>
      <Title order={2} size="h3" my="md">
        {text.changes}
      </Title>
      <DataTable
        label={text.changes}
        columns={changeColumns(current.time)}
        rows={changesOf(current, addUp(last), addUp(before))}
        rowKey={({ title }) => title}
      />
    </>
  );
}

interface Change {
  readonly title: string;
  readonly current: string;
  readonly now: string;
  readonly before: string;
  readonly difference: string;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** @param begin of the current hour */
const changeColumns = (begin: string): readonly Column<Change>[] => [
  { title: text.columns.what, cell: ({ title }) => title },
  { title: text.columns.current(clock.format(new Date(begin))), cell: ({ current }) => current },
  { title: text.columns.now(clock.format(new Date(begin))), cell: ({ now }) => now },
  { title: text.columns.before, cell: ({ before }) => before },
  { title: text.columns.difference, cell: ({ difference }) => difference },
];

function changesOf(current: Totals, now: Totals, before: Totals): Change[] {
  const names = ['verified', 'rejected', 'refused', 'limited', 'locked', 'signals'] as const;
  const share = (totals: Totals): string => text.share(successShare(totals));
  return [
    { title: text.success, current: share(current), now: share(now), before: share(before), difference: '' },
    ...names.map((name) => ({
      ...{ title: text[name], current: String(current[name]), now: String(now[name]), before: String(before[name]) },
      difference: text.difference(now[name] - before[name]),
    })),
  ];
}

/** Which services are ready, and what waits in them. */
function Services() {
  const services = useQuery({
    queryKey: ['services'],
    refetchInterval: REFRESH_MS,
    queryFn: async () => (await api.GET('/v1/services')).data?.items ?? [],
  });
  // An operator who is bound to tenants does not see the installation.
  if (services.error instanceof ApiProblem && [403, 404].includes(services.error.status)) return null;
  return (
    <section>
      <Title order={2} size="h3" my="md">
        {text.services}
      </Title>
      <ProblemAlert error={services.error} retry={() => void services.refetch()} />
      {services.data && (
        <DataTable
          label={text.services}
          columns={SERVICE_COLUMNS}
          rows={services.data}
          rowKey={({ process, service }) => `${process} ${service}`}
          empty={text.noServices}
        />
      )}
    </section>
  );
}

const SERVICE_COLUMNS: readonly Column<Service>[] = [
  { title: text.columns.service, cell: ({ process, service }) => text.serviceOf(process, service) },
  {
    title: text.columns.state,
    cell: ({ status, failing }) => (
      <Badge color={status === 'ready' ? 'green' : 'red'} variant="light" tt="none">
        {[text.status[status], ...failing.map((check) => labelOf(texts.words.checks, check))].join(', ')}
      </Badge>
    ),
  },
  { title: text.columns.lag, cell: ({ lag }) => lag.reduce((sum, { records }) => sum + records, 0) },
  { title: text.columns.queue, cell: ({ hashLoad }) => hashLoad },
  {
    title: text.columns.outbox,
    cell: ({ outboxPending, outboxAgeSeconds }) => text.outbox(outboxPending, outboxAgeSeconds),
  },
];
