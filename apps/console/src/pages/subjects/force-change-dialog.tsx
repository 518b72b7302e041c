import { Button, Group, PasswordInput, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { api } from '../../api/client.js';
import { useAnnounce } from '../../components/announcer.js';
import { Dialog } from '../../components/dialog.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { texts } from '../../texts/texts.js';

interface ForceChangeDialogProps {
  readonly path: Readonly<{ tenant: string; subject: string }>;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly onDone: () => void;
}

const { title, text, submit, done, pin, pinHint } = texts.subjects.actions.forceChange;

/** Sets a PIN that the caller must change. */
export function ForceChangeDialog({ isOpen, onClose, ...content }: ForceChangeDialogProps) {
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={title}>
      <ForceChange onClose={onClose} {...content} />
    </Dialog>
  );
}

/** The PIN is in the field, and in the body of the request, and nowhere else. */
function ForceChange({ path, onClose, onDone }: Omit<ForceChangeDialogProps, 'isOpen'>) {
  const [value, setValue] = useState('');
  const announce = useAnnounce();
  const change = useMutation({
    mutationFn: (chosen: string) =>
      api.PUT('/v1/tenants/{tenant}/subjects/{subject}/pin', {
        params: { path },
        body: { pin: chosen, forceChange: true },
      }),
    gcTime: 0,
    onSuccess: () => {
      announce(done);
      onDone();
      onClose();
    },
  });
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    change.mutate(value);
  };
  return (
    <form onSubmit={onSubmit} autoComplete="off">
      <Text mb="sm">{text}</Text>
      <PasswordInput
        data-autofocus
        required
        label={pin}
        description={pinHint}
        autoComplete="off"
        inputMode="numeric"
        value={value}
        onChange={(event) => setValue(event.currentTarget.value)}
      />
      <ProblemAlert error={change.error} />
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose}>
          {texts.cancel}
        </Button>
        <Button type="submit" disabled={value === ''} loading={change.isPending}>
          {submit}
        </Button>
      </Group>
    </form>
  );
}
