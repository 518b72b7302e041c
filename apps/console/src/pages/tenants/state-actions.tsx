import { Badge, Button, Group } from '@mantine/core';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { usePermission } from '../../api/session.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { texts } from '../../texts/texts.js';

interface StateActionsProps {
  readonly tenant: string;
  readonly name: string;
  readonly state: 'enabled' | 'disabled' | 'deleting';
  readonly disable: (reason: string) => Promise<unknown>;
  readonly enable: () => Promise<unknown>;
  /** Absent: it has no secrets. */
  readonly rotate?: () => Promise<void>;
  readonly deletion: Deletion;
}

interface Deletion {
  readonly text: string;
  readonly done: string;
  /** Only what is disabled can be deleted. */
  readonly needsDisabled?: boolean;
  /** That must be typed. */
  readonly word?: string;
  readonly act: (reason: string) => Promise<unknown>;
}

export function StateBadge({ state }: Pick<StateActionsProps, 'state'>) {
  return (
    <Badge variant="light" color={state === 'enabled' ? 'green' : 'red'} tt="none" miw="max-content">
      {texts.words.states[state]}
    </Badge>
  );
}

/** The buttons of a tenant, agent or key. The API may demand a recent sign-in, which the page then offers. */
export function StateActions({ tenant, name, state, disable, enable, rotate, deletion }: StateActionsProps) {
  const queries = useQueryClient();
  const mayManage = usePermission('manage', tenant);
  const [action, setAction] = useState<'disable' | 'enable' | 'rotate' | 'delete'>();
  const close = (): void => setAction(undefined);
  const { tenants } = texts;
  const refreshed = async (work: Promise<unknown>): Promise<void> => {
    await work;
    await queries.invalidateQueries({ queryKey: ['tenants'] });
  };
  if (!mayManage || state === 'deleting') return null;
  return (
    <Group gap="xs" wrap="nowrap">
      {rotate !== undefined && (
        <Button size="xs" variant="default" aria-label={tenants.rotateTitle(name)} onClick={() => setAction('rotate')}>
          {tenants.rotate}
        </Button>
      )}
      {state === 'enabled' ? (
        <Button
          size="xs"
          variant="default"
          aria-label={tenants.disableTitle(name)}
          onClick={() => setAction('disable')}
        >
          {tenants.disable}
        </Button>
      ) : (
        <Button size="xs" variant="default" aria-label={tenants.enableTitle(name)} onClick={() => setAction('enable')}>
          {tenants.enable}
        </Button>
      )}
      {(deletion.needsDisabled !== true || state === 'disabled') && (
        <Button size="xs" color="red" aria-label={tenants.deleteTitle(name)} onClick={() => setAction('delete')}>
          {tenants.delete}
        </Button>
      )}
      <ConfirmDialog
        isOpen={action === 'delete'}
        onClose={close}
        title={tenants.deleteTitle(name)}
        text={deletion.text}
        submit={tenants.delete}
        done={deletion.done}
        word={deletion.word}
        isFinal
        act={(reason) => refreshed(deletion.act(reason))}
      />
      <ConfirmDialog
        isOpen={action === 'disable'}
        onClose={close}
        title={tenants.disableTitle(name)}
        text={tenants.disableText}
        submit={tenants.disable}
        done={tenants.disabled}
        act={(reason) => refreshed(disable(reason))}
      />
      <ConfirmDialog
        isOpen={action === 'enable'}
        onClose={close}
        title={tenants.enableTitle(name)}
        text={tenants.enableText}
        submit={tenants.enable}
        done={tenants.enabled}
        withReason={false}
        act={() => refreshed(enable())}
      />
      {rotate !== undefined && (
        <ConfirmDialog
          isOpen={action === 'rotate'}
          onClose={close}
          title={tenants.rotateTitle(name)}
          text={tenants.rotateText}
          submit={tenants.rotate}
          done={tenants.rotated}
          withReason={false}
          act={() => refreshed(rotate())}
        />
      )}
    </Group>
  );
}
