import { Button, Group, Paper, Text, Title } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { api } from '../../api/client.js';
import { eventView } from '../../api/event-view.js';
import { type components } from '../../api/openapi.js';
import { usePermission } from '../../api/session.js';
import { usePath, useQueryParameter } from '../../components/address.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { DataTable, type Column } from '../../components/data-table.js';
import { EventTable } from '../../components/event-table.js';
import { Page } from '../../components/page.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { CredentialState } from './credential-state.js';
import { ForceChangeDialog } from './force-change-dialog.js';
import { RecognizedCallers } from './recognized-callers.js';

type Credential = components['schemas']['CredentialDetails'];
type SubjectPath = Readonly<{ tenant: string; subject: string }>;

const text = texts.subjects;

export default function SubjectPage(): ReactNode {
  const path = usePath('tenant', 'subject');
  if (usePermission('read', path.tenant)) return <Subject path={path} />;
  return (
    <Page title={texts.pages.subjects}>
      <Text>{texts.notPermitted}</Text>
    </Page>
  );
}

function Subject({ path }: { readonly path: SubjectPath }) {
  const mayAudit = usePermission('audit', path.tenant);
  const details = useQuery({
    queryKey: ['subject', path.tenant, path.subject],
    queryFn: async () => (await api.GET('/v1/tenants/{tenant}/subjects/{subject}', { params: { path } })).data,
  });
  return (
    <Page
      title={text.titleOf(path.subject)}
      actions={
        <Button variant="default" onClick={() => void details.refetch()}>
          {texts.refresh}
        </Button>
      }
    >
      <ProblemAlert error={details.error} retry={() => void details.refetch()} />
      {details.data && (
        <>
          <Text>{text.summary(path.tenant, details.data.displayName, details.data.phones)}</Text>
          <SubjectActions path={path} credentials={details.data.credentials} />
          <Paper withBorder p="md" my="md">
            <Title order={2} size="h3" mb="sm">
              {text.credentials}
            </Title>
            <DataTable
              label={text.credentials}
              columns={CREDENTIAL_COLUMNS}
              rows={details.data.credentials}
              rowKey={({ method }) => method}
              empty={text.noCredentials}
            />
          </Paper>
        </>
      )}
      {mayAudit && <RecentEvents path={path} />}
    </Page>
  );
}

const CREDENTIAL_COLUMNS: readonly Column<Credential>[] = [
  { title: text.columns.method, cell: ({ method }) => text.methods[method] },
  { title: text.columns.state, cell: (credential) => <CredentialState credential={credential} /> },
  { title: text.columns.window, cell: ({ attemptsInWindow }) => attemptsInWindow },
  { title: text.columns.failures, cell: ({ consecutiveFailures }) => text.failures(consecutiveFailures) },
  { title: text.columns.enrolled, cell: ({ enrolledAt }) => <Time at={enrolledAt} /> },
  {
    title: text.columns.callers,
    cell: ({ recognizedCallers }) => <RecognizedCallers callers={recognizedCallers} />,
  },
];

/** The newest events about the subject: attempts with the last two digits of their callers, and changes with their actors. */
function RecentEvents({ path: { tenant, subject } }: { readonly path: SubjectPath }) {
  const events = useQuery({
    queryKey: ['events', tenant, subject],
    queryFn: async () => {
      const query = { tenant, subject, limit: 20 };
      return (await api.GET('/v1/events', { params: { query } })).data?.items.map(eventView);
    },
  });
  return (
    <section>
      <Title order={2} size="h3" mb="sm">
        {text.events}
      </Title>
      <ProblemAlert error={events.error} retry={() => void events.refetch()} />
      {events.data && <EventTable label={text.events} events={events.data} />}
    </section>
  );
}

const ACTIONS = ['unlock', 'forceChange', 'removePin', 'removeKnowledge', 'erase'] as const;
type Action = (typeof ACTIONS)[number];

interface SubjectActionsProps {
  readonly path: SubjectPath;
  readonly credentials: readonly Credential[];
}

/** The dialog that is open is part of the address, so an operator who must sign in again returns to it. */
function SubjectActions({ path, credentials }: SubjectActionsProps) {
  const open = useQueryParameter('action');
  const navigate = useNavigate();
  const queries = useQueryClient();
  const mayOperate = usePermission('operate', path.tenant);
  const mayManage = usePermission('manage', path.tenant);
  const show = (action?: Action): void =>
    void navigate({ to: '/subjects/$tenant/$subject', params: path, search: { action }, replace: true });
  const reload = (): void => {
    void queries.invalidateQueries({ queryKey: ['subject', path.tenant, path.subject] });
    void queries.invalidateQueries({ queryKey: ['events', path.tenant, path.subject] });
  };
  /** Nothing is at the address of an erased subject. */
  const leave = (): void => {
    void queries.invalidateQueries({ queryKey: ['subjects', path.tenant] });
    void navigate({ to: '/subjects', replace: true });
  };
  const has = (method: Credential['method']): boolean => credentials.some((one) => one.method === method);
  const isPermitted: Readonly<Record<Action, boolean>> = {
    unlock: mayOperate,
    forceChange: mayManage,
    removePin: mayManage && has('pin'),
    removeKnowledge: mayManage && has('knowledge'),
    erase: mayManage,
  };
  const act: Readonly<Record<Exclude<Action, 'forceChange'>, (reason: string) => Promise<unknown>>> = {
    unlock: (reason) =>
      api.POST('/v1/tenants/{tenant}/subjects/{subject}/unlock', { params: { path }, body: { reason } }),
    removePin: (reason) =>
      api.DELETE('/v1/tenants/{tenant}/subjects/{subject}/pin', { params: { path, query: { reason } } }),
    removeKnowledge: (reason) =>
      api.DELETE('/v1/tenants/{tenant}/subjects/{subject}/knowledge', { params: { path, query: { reason } } }),
    erase: (reason) => api.DELETE('/v1/tenants/{tenant}/subjects/{subject}', { params: { path, query: { reason } } }),
  };
  const permitted = ACTIONS.filter((action) => isPermitted[action]);
  return (
    <>
      <Group my="md">
        {permitted.map((action) => (
          <Button
            key={action}
            variant={action === 'unlock' || action === 'erase' ? 'filled' : 'default'}
            color={action === 'erase' ? 'red' : undefined}
            onClick={() => show(action)}
          >
            {text.actions[action].title}
          </Button>
        ))}
      </Group>
      {permitted.map((action) =>
        action === 'forceChange' ? (
          <ForceChangeDialog key={action} path={path} isOpen={open === action} onClose={() => show()} onDone={reload} />
        ) : (
          <ConfirmDialog
            key={action}
            {...text.actions[action]}
            word={action === 'erase' ? path.subject : undefined}
            isOpen={open === action}
            onClose={() => show()}
            onDone={action === 'erase' ? leave : undefined}
            act={(reason) => act[action](reason).then(action === 'erase' ? undefined : reload)}
          />
        ),
      )}
    </>
  );
}
