import { Button, Group, Text, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { texts } from '../texts/texts.js';
import { useAnnounce } from './announcer.js';
import { Dialog } from './dialog.js';
import { ProblemAlert } from './problem-alert.js';

interface ConfirmDialogProps {
  readonly title: string;
  /** What the action does. */
  readonly text: string;
  readonly submit: string;
  /** Read out when the action has succeeded. */
  readonly done: string;
  /** The word that must be typed, for an action that cannot be undone. */
  readonly word?: string;
  /** It cannot be undone, and needs no typed word. */
  readonly isFinal?: boolean;
  /** False: the API takes no reason for the action. */
  readonly withReason?: boolean;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  /** Called instead of `onClose` when the action has succeeded. */
  readonly onDone?: () => void;
  /** The action. @param reason empty when the API takes none */
  readonly act: (reason: string) => Promise<unknown>;
}

/** Asks for a reason, and for a typed word where the action cannot be undone, and then runs the action. */
export function ConfirmDialog({ isOpen, onClose, title, ...content }: ConfirmDialogProps) {
  return (
    <Dialog isOpen={isOpen} onClose={onClose} title={title}>
      <Confirmation onClose={onClose} {...content} />
    </Dialog>
  );
}

type ConfirmationProps = Omit<ConfirmDialogProps, 'isOpen' | 'title'>;

/** Its fields are empty each time the dialog opens. */
function Confirmation(props: ConfirmationProps) {
  const {
    text,
    submit,
    done,
    word,
    isFinal = word !== undefined,
    withReason = true,
    onClose,
    onDone = onClose,
    act,
  } = props;
  const announce = useAnnounce();
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const action = useMutation({
    mutationFn: act,
    onSuccess: () => {
      announce(done);
      onDone();
    },
  });
  const isComplete = (!withReason || reason.trim() !== '') && (word === undefined || typed === word);
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    if (isComplete) action.mutate(reason.trim());
  };
  return (
    <form onSubmit={onSubmit}>
      <Text mb="sm">{text}</Text>
      {withReason && (
        <TextInput
          data-autofocus
          required
          label={texts.confirm.reason}
          description={texts.confirm.reasonHint}
          value={reason}
          maxLength={200}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
      )}
      {word !== undefined && (
        <TextInput
          required
          mt="sm"
          autoComplete="off"
          label={texts.confirm.typeToConfirm(word)}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
      )}
      <ProblemAlert error={action.error} />
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose}>
          {texts.cancel}
        </Button>
        <Button type="submit" color={isFinal ? 'red' : 'blue'} disabled={!isComplete} loading={action.isPending}>
          {submit}
        </Button>
      </Group>
    </form>
  );
}
