import { Button, Group, NativeSelect, NumberInput, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { api } from '../../api/client.js';
import { type components } from '../../api/openapi.js';
import { useAnnounce } from '../../components/announcer.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Dialog } from '../../components/dialog.js';
import { texts } from '../../texts/texts.js';
import { targetOf, type ShownRefusal } from './override-target.js';

type OverrideBody = components['schemas']['OverrideBody'];

interface OverrideDialogProps {
  /** Undefined: closed. */
  readonly party: ShownRefusal | undefined;
  /** Who is meant. */
  readonly names?: readonly string[];
  readonly onClose: () => void;
}

/** Sets another limit for a party that a limit refused, with a reason and an end. */
export function OverrideDialog({ party, names = [], onClose }: OverrideDialogProps) {
  return (
    <Dialog isOpen={party !== undefined} onClose={onClose} title={texts.attacks.override}>
      {party !== undefined && <Override party={party} names={names} onClose={onClose} />}
    </Dialog>
  );
}

interface OverrideProps {
  readonly party: ShownRefusal;
  readonly names: readonly string[];
  readonly onClose: () => void;
}

function Override({ party, names, onClose }: OverrideProps) {
  const announce = useAnnounce();
  const queries = useQueryClient();
  const [limit, setLimit] = useState<number | string>(10);
  const [period, setPeriod] = useState<number | string>(60);
  const [seconds, setSeconds] = useState('3600');
  const [reason, setReason] = useState('');
  const { attacks } = texts;
  const action = useMutation({
    mutationFn: () => {
      const expiresAt = new Date(Date.now() + Number(seconds) * 1_000).toISOString();
      const numbers = { limit: Number(limit), periodSeconds: Number(period) };
      const body = { ...targetOf(party), ...numbers, reason: reason.trim(), expiresAt } as OverrideBody;
      return api.POST('/v1/tenants/{tenant}/overrides', { params: { path: { tenant: party.tenant } }, body });
    },
    onSuccess: async () => {
      announce(attacks.done);
      onClose();
      await queries.invalidateQueries({ queryKey: ['overrides', party.tenant] });
    },
  });
  const isComplete = reason.trim() !== '' && Number(limit) > 0 && Number(period) > 0;
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    if (isComplete) action.mutate();
  };
  return (
    <form onSubmit={onSubmit}>
      <Text mb="sm">{attacks.overrideText}</Text>
      <Text fw={700}>{[attacks.dimensions[party.dimension], party.tenant, ...names].join(' · ')}</Text>
      <NumberInput
        required
        label={attacks.limit}
        min={1}
        max={1_000_000}
        value={limit}
        onChange={setLimit}
        hideControls
      />
      <NumberInput
        required
        label={attacks.period}
        min={1}
        max={604_800}
        value={period}
        onChange={setPeriod}
        hideControls
      />
      <NativeSelect
        label={attacks.lasts}
        value={seconds}
        onChange={(event) => setSeconds(event.currentTarget.value)}
        data={Object.entries(attacks.durations).map(([value, label]) => ({ value, label }))}
      />
      <TextInput
        data-autofocus
        required
        label={texts.confirm.reason}
        description={texts.confirm.reasonHint}
        value={reason}
        maxLength={200}
        onChange={(event) => setReason(event.currentTarget.value)}
      />
      <ProblemAlert error={action.error} />
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose}>
          {texts.cancel}
        </Button>
        <Button type="submit" disabled={!isComplete} loading={action.isPending}>
          {attacks.submit}
        </Button>
      </Group>
    </form>
  );
}
