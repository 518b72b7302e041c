import { Button, Group, Text, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { isPermitted, usePermission, useSession, type OperatorSession } from '../../api/session.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { DataTable } from '../../components/data-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { ForTenants } from '../../components/tenant.js';
import { Countdown, Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { OverrideDialog } from './override-dialog.js';
import { isNamed, targetOf, type ShownRefusal } from './override-target.js';
import { Overrides } from './overrides.js';
import { namesOf, Parties } from './parties.js';

type AttackSignal = components['schemas']['AttackSignal'];
type ResetBody = components['schemas']['ResetBody'];

/** Each read is an event of the log, so it is not read more often. */
const REFRESHED_MS = 15_000;

/** Attacks of the last day, and what can be done about them. */
export default function AttacksPage(): ReactNode {
  return (
    <ForTenants title={texts.pages.attacks} permission="audit">
      {(tenant) => <CurrentAttacks tenant={tenant} />}
    </ForTenants>
  );
}

function CurrentAttacks({ tenant }: { readonly tenant: string | undefined }) {
  const session = useSession();
  const mayOverride = usePermission('operate', tenant);
  const mayRead = usePermission('read', tenant);
  const [overridden, setOverridden] = useState<ShownRefusal>();
  const [reset, setReset] = useState<ShownRefusal>();
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
                ...(mayOverride ? [{ title: texts.actions, cell: buttons(session, setOverridden, setReset) }] : []),
              ]}
            />
          </Part>
        </>
      )}
      {mayRead && (
        <Part title={texts.attacks.overrides}>
          {tenant === undefined ? (
            <Text c="dimmed">{texts.attacks.overridesOfOne}</Text>
          ) : (
            <Overrides tenant={tenant} />
          )}
        </Part>
      )}
      <OverrideDialog
        party={overridden}
        names={overridden && namesOf(overridden)}
        onClose={() => setOverridden(undefined)}
      />
      <ResetDialog party={reset} onClose={() => setReset(undefined)} />
    </Page>
  );
}

type Choose = (party: ShownRefusal) => void;

function buttons(session: OperatorSession, override: Choose, reset: Choose) {
  return function Buttons(party: ShownRefusal) {
    if (!isNamed(party) || !isPermitted(session, 'operate', party.tenant)) return null;
    const actions = [
      { title: texts.attacks.override, choose: override },
      { title: texts.attacks.reset.title, choose: reset },
    ];
    return (
      <Group gap="xs" wrap="nowrap">
        {actions.map(({ title, choose }) => (
          <Button
            key={title}
            size="xs"
            variant="default"
            aria-label={`${title}: ${nameOf(party)}`}
            onClick={() => choose(party)}
          >
            {title}
          </Button>
        ))}
      </Group>
    );
  };
}

const nameOf = (party: ShownRefusal): string => namesOf(party).join(', ') || texts.attacks.everybody;

interface ResetDialogProps {
  /** Undefined: closed. */
  readonly party: ShownRefusal | undefined;
  readonly onClose: () => void;
}

/** Sets the counter of a limit for a party to zero, with a reason. */
function ResetDialog({ party, onClose }: ResetDialogProps) {
  const { reset, dimensions } = texts.attacks;
  const names = party === undefined ? [] : [dimensions[party.dimension], party.tenant, nameOf(party)];
  return (
    <ConfirmDialog
      {...reset}
      title={[reset.title, ...names].join(' · ')}
      isOpen={party !== undefined}
      onClose={onClose}
      act={async (reason) => {
        if (party === undefined) return;
        const body = { ...targetOf(party), reason } as ResetBody;
        await api.POST('/v1/tenants/{tenant}/limits/reset', { params: { path: { tenant: party.tenant } }, body });
      }}
    />
  );
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

function extentOf({ subjects, callers, withinSeconds = 0 }: AttackSignal): string {
  if (subjects !== undefined) return texts.attacks.subjectsWithin(subjects, withinSeconds);
  return callers === undefined ? '' : texts.attacks.callersWithin(callers, withinSeconds);
}
