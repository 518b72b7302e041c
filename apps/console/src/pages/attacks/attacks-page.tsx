import { Button, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { usePermission } from '../../api/session.js';
import { DataTable } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { useTenant } from '../../components/tenant.js';
import { Countdown, Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { OverrideDialog } from './override-dialog.js';
import { isNamed, type ShownRefusal } from './override-target.js';

type AttackSignal = components['schemas']['AttackSignal'];

/** Each read is an event of the log, so it is not read more often. */
const REFRESHED_MS = 15_000;
/** Digits of a keyed hash that are shown: enough to tell callers apart. */
const SHOWN_DIGITS = 12;

/** Attacks of the last day, and what can be done about them. */
export default function AttacksPage() {
  const tenant = useTenant();
  const mayOverride = usePermission('operate');
  const [overridden, setOverridden] = useState<ShownRefusal>();
  const { data, error, refetch } = useQuery({
    queryKey: ['attacks', tenant],
    queryFn: async () =>
      (await api.GET('/v1/attacks', { params: { query: tenant === undefined ? {} : { tenant } } })).data,
    refetchInterval: REFRESHED_MS,
  });
  const { columns, kinds, dimensions } = texts.attacks;
  const tenantColumn = { title: columns.tenant, cell: (row: { readonly tenant: string }) => row.tenant };
  return (
    <Page title={texts.pages.attacks}>
      <Text c="dimmed">{texts.attacks.since}</Text>
      <ProblemAlert error={error} retry={() => void refetch()} />
      {data !== undefined && (
        <>
          <Part title={texts.attacks.signals}>
            <DataTable
              label={texts.attacks.signals}
              empty={texts.attacks.noSignals}
              rows={data.signals}
              rowKey={({ id }) => id}
              columns={[
                { title: columns.time, cell: ({ time }) => <Time at={time} /> },
                { title: columns.kind, cell: ({ type }) => kinds[type] },
                tenantColumn,
                { title: columns.parties, cell: (signal) => <Parties of={signal} /> },
                { title: columns.extent, cell: extentOf },
              ]}
            />
          </Part>
          <Part title={texts.attacks.tightened}>
            <DataTable
              label={texts.attacks.tightened}
              empty={texts.attacks.noTightened}
              rows={data.tightened}
              rowKey={(row) => row.tenant}
              columns={[tenantColumn, { title: columns.remaining, cell: ({ until }) => <Countdown until={until} /> }]}
            />
          </Part>
          <Part title={texts.attacks.refused}>
            <DataTable
              label={texts.attacks.refused}
              empty={texts.attacks.noRefused}
              rows={data.refused}
              rowKey={(party) => JSON.stringify([party.tenant, party.dimension, namesOf(party)])}
              columns={[
                { title: columns.limit, cell: ({ dimension }) => dimensions[dimension] },
                tenantColumn,
                { title: columns.parties, cell: (party) => <Parties of={party} /> },
                { title: columns.count, cell: ({ count }) => count.toLocaleString() },
                { title: columns.last, cell: ({ last }) => <Time at={last} /> },
                ...(mayOverride ? [{ title: texts.actions, cell: overrideButton(setOverridden) }] : []),
              ]}
            />
          </Part>
        </>
      )}
      <OverrideDialog
        party={overridden}
        names={overridden && namesOf(overridden)}
        onClose={() => setOverridden(undefined)}
      />
    </Page>
  );
}

function overrideButton(choose: (party: ShownRefusal) => void) {
  return function OverrideButton(party: ShownRefusal) {
    if (!isNamed(party)) return null;
    return (
      <Button
        size="xs"
        variant="default"
        aria-label={`${texts.attacks.override}: ${namesOf(party).join(', ') || texts.attacks.everybody}`}
        onClick={() => choose(party)}
      >
        {texts.attacks.override}
      </Button>
    );
  };
}

function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section>
      <Title order={2} size="h3" mt="lg" mb="xs">
        {title}
      </Title>
      {children}
    </section>
  );
}

type NamedParties = Pick<AttackSignal, 'subject' | 'subjectKey' | 'callerKey' | 'callerTail' | 'agent' | 'callId'>;

/** Who is meant, as far as events name them. A caller has a keyed hash and the last two digits, never a number. */
function namesOf({ subject, subjectKey, callerKey, callerTail, agent, callId }: NamedParties): string[] {
  const { attacks } = texts;
  const short = (hash: string): string => `${hash.slice(0, SHOWN_DIGITS)}…`;
  return [
    ...(subject !== undefined ? [`${attacks.subject} ${subject}`] : []),
    ...(subject === undefined && subjectKey !== undefined ? [`${attacks.subject} ${short(subjectKey)}`] : []),
    ...(callerTail !== undefined ? [attacks.callerEnding(callerTail)] : []),
    ...(callerKey !== undefined ? [`${attacks.caller} ${short(callerKey)}`] : []),
    ...(agent !== undefined ? [`${attacks.agent} ${agent}`] : []),
    ...(callId !== undefined ? [`${attacks.call} ${callId}`] : []),
  ];
}

function Parties({ of: parties }: { readonly of: NamedParties }) {
  const names = namesOf(parties);
  return names.length === 0 ? texts.attacks.everybody : names.map((name) => <div key={name}>{name}</div>);
}

function extentOf({ subjects, callers, withinSeconds = 0 }: AttackSignal): string {
  if (subjects !== undefined) return texts.attacks.subjectsWithin(subjects, withinSeconds);
  return callers === undefined ? '' : texts.attacks.callersWithin(callers, withinSeconds);
}
