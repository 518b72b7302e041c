import { Button, Code, Group, Text, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client.js';
import { ApiProblem } from '../../api/problem.js';
import { usePermission } from '../../api/session.js';
import { useAnnounce } from '../../components/announcer.js';
import { DataTable } from '../../components/data-table.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Dialog } from '../../components/dialog.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';
import {
  brokenFields,
  changesOf,
  levelsAt,
  nameOf,
  patchOf,
  policyFields,
  valueAt,
  type PolicyChange,
  type PolicyDraft,
  type PolicyField,
} from './policy-fields.js';

interface PolicyEditorProps {
  readonly tenant: string;
  /** Undefined: the policy of the tenant itself. */
  readonly agent: string | undefined;
}

const TENANT_POLICY = '/v1/tenants/{tenant}/policy';
const AGENT_POLICY = '/v1/tenants/{tenant}/agents/{agent}/policy';

/** The changes, and the tag of the policy that they were compared with. */
interface Reviewed {
  readonly changes: readonly PolicyChange[];
  readonly tag: string | undefined;
}

/** Every field with its value in force and the level that it comes from, and a draft of changes. */
export function PolicyEditor({ tenant, agent }: PolicyEditorProps) {
  const mayManage = usePermission('manage', tenant);
  const [draft, setDraft] = useState<PolicyDraft>(new Map());
  const [wanted, setWanted] = useState('');
  const [reviewed, setReviewed] = useState<Reviewed>();
  const [rules, setRules] = useState<ReadonlyMap<string, string>>(new Map());
  const schema = useQuery({
    queryKey: ['openapi'],
    staleTime: Infinity,
    queryFn: async () => policyFields(await (await fetch('/openapi.json')).json()),
  });
  const policy = useQuery({
    queryKey: ['tenants', tenant, 'policy', agent],
    queryFn: async () => {
      const { data, response } = await (agent === undefined
        ? api.GET(TENANT_POLICY, { params: { path: { tenant } } })
        : api.GET(AGENT_POLICY, { params: { path: { tenant, agent } } }));
      return { state: data, tag: response.headers.get('etag') ?? undefined };
    },
  });
  const error = schema.error ?? policy.error;
  if (error !== null) return <ProblemAlert error={error} />;
  if (schema.data === undefined || policy.data?.state === undefined) return <Text role="status">{texts.loading}</Text>;
  const { state, tag } = policy.data;
  const { columns } = texts.tenants;
  const set = (name: string, text: string | null | undefined): void => {
    const changed = new Map(draft);
    if (text === undefined || text === '') changed.delete(name);
    else changed.set(name, text);
    setDraft(changed);
  };
  const review = (): void => {
    const broken = brokenFields(draft);
    setRules(new Map(broken.map((name) => [name, texts.tenants.notJson])));
    if (broken.length === 0) setReviewed({ changes: changesOf(draft, state.policy), tag });
  };
  const isShown = ({ path }: PolicyField): boolean => nameOf(path).toLowerCase().includes(wanted.trim().toLowerCase());
  return (
    <>
      {state.violations !== undefined && (
        <ProblemAlert error={new ApiProblem(422, 'stored-policy', texts.tenants.invalidPolicy, state.violations)} />
      )}
      <Group justify="space-between" align="flex-end" mb="sm">
        <TextInput
          label={texts.tenants.find}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
        />
        {mayManage && (
          <Button disabled={draft.size === 0} onClick={review}>
            {texts.tenants.review}
          </Button>
        )}
      </Group>
      <DataTable
        label={texts.tenants.of(texts.tenants.policy, agent ?? tenant)}
        empty={texts.tenants.noField}
        rows={schema.data.filter(isShown)}
        rowKey={({ path }) => nameOf(path)}
        columns={[
          {
            title: columns.field,
            cell: ({ path, description }) => (
              <>
                <Code>{nameOf(path)}</Code>
                <Text size="xs" c="dimmed">
                  {description}
                </Text>
              </>
            ),
          },
          { title: columns.effective, cell: ({ path }) => <Code>{shown(valueAt(state.policy, path))}</Code> },
          { title: columns.level, cell: ({ path }) => <Levels of={levelsAt(state.sources, path)} /> },
          ...(mayManage
            ? [
                {
                  title: columns.own,
                  cell: ({ path }: PolicyField) => (
                    <NewValue
                      name={nameOf(path)}
                      text={draft.get(nameOf(path))}
                      rule={rules.get(nameOf(path))}
                      isOwn={levelsAt(state.sources, path).includes(agent === undefined ? 'tenant' : 'agent')}
                      set={(text) => set(nameOf(path), text)}
                    />
                  ),
                },
              ]
            : []),
        ]}
      />
      <Review
        changes={reviewed?.changes}
        tenant={tenant}
        agent={agent}
        tag={reviewed?.tag}
        onClose={() => setReviewed(undefined)}
        onSaved={() => setDraft(new Map())}
        onRefused={setRules}
      />
    </>
  );
}

/** A value as one line of JSON. */
const shown = (value: unknown): string => (value === undefined ? texts.tenants.levels.none : JSON.stringify(value));

function Levels({ of: found }: { readonly of: readonly string[] }) {
  const { levels } = texts.tenants;
  const names = found.length === 0 ? ['none'] : found;
  return names.map((name) => (
    <Text key={name} size="sm">
      {labelOf(levels, name)}
    </Text>
  ));
}

interface NewValueProps {
  readonly name: string;
  /** Null: it will be inherited again. */
  readonly text: string | null | undefined;
  readonly rule: string | undefined;
  /** Whether the edited level sets the field. */
  readonly isOwn: boolean;
  readonly set: (text: string | null | undefined) => void;
}

function NewValue({ name, text, rule, isOwn, set }: NewValueProps) {
  return (
    <Group gap="xs" wrap="nowrap" align="flex-start">
      <TextInput
        size="xs"
        aria-label={`${texts.tenants.columns.own}: ${name}`}
        placeholder={text === null ? texts.tenants.inheriting : undefined}
        value={text ?? ''}
        error={rule}
        onChange={(event) => set(event.currentTarget.value)}
      />
      {isOwn && (
        <Button
          size="xs"
          variant="default"
          aria-label={`${texts.tenants.inherit}: ${name}`}
          onClick={() => set(text === null ? undefined : null)}
        >
          {texts.tenants.inherit}
        </Button>
      )}
    </Group>
  );
}

interface ReviewProps extends PolicyEditorProps {
  /** Undefined: closed. */
  readonly changes: readonly PolicyChange[] | undefined;
  /** Of the policy that the changes were compared with: a change by somebody else in between is refused. */
  readonly tag: string | undefined;
  readonly onClose: () => void;
  readonly onSaved: () => void;
  /** The rules that fields break, by the names of the fields. */
  readonly onRefused: (rules: ReadonlyMap<string, string>) => void;
}

/** The differences, before they are saved. */
function Review({ changes, tenant, agent, tag, onClose, onSaved, onRefused }: ReviewProps) {
  const announce = useAnnounce();
  const queries = useQueryClient();
  const action = useMutation({
    mutationFn: async (made: readonly PolicyChange[]) => {
      const body = patchOf(made);
      const header = tag === undefined ? {} : { 'If-Match': tag };
      await (agent === undefined
        ? api.PATCH(TENANT_POLICY, { params: { path: { tenant }, header }, body })
        : api.PATCH(AGENT_POLICY, { params: { path: { tenant, agent }, header }, body }));
    },
    onSuccess: async () => {
      announce(texts.tenants.saved);
      onRefused(new Map());
      onSaved();
      onClose();
      await queries.invalidateQueries({ queryKey: ['tenants', tenant, 'policy'] });
    },
    onError: (problem) => {
      if (problem instanceof ApiProblem && problem.status === 412)
        void queries.invalidateQueries({ queryKey: ['tenants', tenant, 'policy'] });
      const violations = problem instanceof ApiProblem ? problem.violations : [];
      onRefused(new Map(violations.map(({ field, rule }) => [field.replace(/^policy\./, ''), rule])));
    },
  });
  const close = (): void => {
    action.reset();
    onClose();
  };
  return (
    <Dialog isOpen={changes !== undefined} onClose={close} size="lg" title={texts.tenants.reviewTitle}>
      <Text mb="sm">{texts.tenants.reviewText}</Text>
      <DataTable
        label={texts.tenants.reviewTitle}
        rows={changes ?? []}
        rowKey={({ path }) => path}
        columns={[
          { title: texts.tenants.columns.field, cell: ({ path }) => <Code>{path}</Code> },
          {
            title: texts.tenants.before,
            cell: ({ before }) => <Code>{shown(before)}</Code>,
          },
          {
            title: texts.tenants.after,
            cell: ({ after }) => <Code>{after === undefined ? texts.tenants.inheriting : JSON.stringify(after)}</Code>,
          },
        ]}
      />
      <ProblemAlert error={action.error} />
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={close}>
          {texts.cancel}
        </Button>
        <Button
          loading={action.isPending}
          disabled={changes === undefined || changes.length === 0}
          onClick={() => action.mutate(changes ?? [])}
        >
          {texts.tenants.save}
        </Button>
      </Group>
    </Dialog>
  );
}
