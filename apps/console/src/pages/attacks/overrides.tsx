import { Button } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { usePermission } from '../../api/session.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { type Column } from '../../components/data-table.js';
import { PagedTable } from '../../components/paged-table.js';
import { Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';
import { namesOf } from './parties.js';

type OverrideState = components['schemas']['OverrideState'];

const text = texts.attacks;

/** The overrides of a tenant that have not ended. */
export function Overrides({ tenant }: { readonly tenant: string }) {
  const mayDelete = usePermission('operate', tenant);
  const queries = useQueryClient();
  const [deleted, setDeleted] = useState<OverrideState>();
  const deleteColumn: Column<OverrideState> = {
    title: texts.actions,
    cell: (override) => (
      <Button
        size="xs"
        variant="default"
        aria-label={`${text.deleteOverride.title}: ${textOf(override)}`}
        onClick={() => setDeleted(override)}
      >
        {text.deleteOverride.submit}
      </Button>
    ),
  };
  return (
    <>
      <PagedTable
        label={text.overrides}
        empty={text.noOverrides}
        queryKey={['overrides', tenant]}
        rowKey={({ id }) => id}
        columns={mayDelete ? [...COLUMNS, deleteColumn] : COLUMNS}
        load={async (cursor) => {
          const query = cursor === undefined ? {} : { cursor };
          return (await api.GET('/v1/tenants/{tenant}/overrides', { params: { path: { tenant }, query } })).data;
        }}
      />
      <ConfirmDialog
        {...text.deleteOverride}
        title={deleted === undefined ? text.deleteOverride.title : `${text.deleteOverride.title}: ${textOf(deleted)}`}
        isOpen={deleted !== undefined}
        onClose={() => setDeleted(undefined)}
        act={async (reason) => {
          const path = { tenant, override: deleted?.id ?? '' };
          await api.DELETE('/v1/tenants/{tenant}/overrides/{override}', { params: { path, query: { reason } } });
          await queries.invalidateQueries({ queryKey: ['overrides', tenant] });
        }}
      />
    </>
  );
}

const whoOf = (override: OverrideState): string =>
  namesOf({ ...override, callerKey: override.phoneKey }).join(', ') || text.everybody;

const textOf = (override: OverrideState): string => `${text.dimensions[override.dimension]} · ${whoOf(override)}`;

const COLUMNS: readonly Column<OverrideState>[] = [
  { title: text.columns.limit, cell: ({ dimension }) => text.dimensions[dimension] },
  { title: text.columns.parties, cell: whoOf },
  {
    title: text.columns.requests,
    cell: ({ limit, periodSeconds, shadow }) => text.requestsWithin(limit, periodSeconds, shadow),
  },
  { title: text.columns.expires, cell: ({ expiresAt }) => <Time at={expiresAt} /> },
  { title: texts.confirm.reason, cell: ({ reason }) => reason },
];
