import { Button, Checkbox, Group, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { ApiProblem } from '../../api/problem.js';
import { useAnnounce } from '../../components/announcer.js';
import { type components } from '../../api/openapi.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Dialog } from '../../components/dialog.js';
import { texts } from '../../texts/texts.js';

type ApiKeyScope = components['schemas']['ApiKeyState']['scopes'][number];

/** A field of what is created. */
export interface CreateField {
  readonly name: string;
  readonly label: string;
  readonly hint?: string;
  readonly isRequired?: boolean;
  /** A time in the zone of the operator; absent: a text. */
  readonly type?: 'datetime-local';
}

export interface CreateValues {
  readonly fields: Readonly<Record<string, string>>;
  readonly scopes: readonly string[];
}

interface CreateDialogProps {
  readonly title: string;
  readonly fields: readonly CreateField[];
  /** Scopes to choose from, of an API key. */
  readonly scopes?: readonly ApiKeyScope[];
  readonly create: (values: CreateValues) => Promise<void>;
}

/** A button that opens a form, with the rules that its fields break beside them. */
export function CreateDialog({ title, ...form }: CreateDialogProps) {
  const [isOpen, setIsOpen] = useState(false);
  return (
    <>
      <Button size="xs" onClick={() => setIsOpen(true)}>
        {title}
      </Button>
      <Dialog isOpen={isOpen} onClose={() => setIsOpen(false)} title={title}>
        <CreateForm {...form} onClose={() => setIsOpen(false)} />
      </Dialog>
    </>
  );
}

type CreateFormProps = Omit<CreateDialogProps, 'title'> & { readonly onClose: () => void };

function CreateForm({ fields, scopes, create, onClose }: CreateFormProps) {
  const announce = useAnnounce();
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const [chosen, setChosen] = useState<string[]>([]);
  const action = useMutation({
    mutationFn: () => create({ fields: Object.fromEntries(Object.entries(values).filter(filled)), scopes: chosen }),
    onSuccess: () => {
      announce(texts.tenants.created);
      onClose();
    },
  });
  const violations = action.error instanceof ApiProblem ? action.error.violations : [];
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    action.mutate();
  };
  return (
    <form onSubmit={onSubmit}>
      {fields.map(({ name, label, hint, isRequired, type }) => (
        <TextInput
          key={name}
          type={type}
          label={label}
          description={hint}
          required={isRequired}
          maxLength={200}
          value={values[name] ?? ''}
          error={violations.find(({ field }) => field === name)?.rule}
          onChange={(event) => setValues({ ...values, [name]: event.currentTarget.value })}
        />
      ))}
      {scopes !== undefined && (
        <Checkbox.Group label={texts.tenants.scopes} value={chosen} onChange={setChosen} mt="sm">
          {scopes.map((scope) => (
            <Checkbox key={scope} value={scope} label={texts.words.scopes[scope]} mt="xs" />
          ))}
        </Checkbox.Group>
      )}
      <ProblemAlert error={action.error} />
      <Group justify="flex-end" mt="md">
        <Button variant="default" onClick={onClose}>
          {texts.cancel}
        </Button>
        <Button type="submit" loading={action.isPending}>
          {texts.tenants.create}
        </Button>
      </Group>
    </form>
  );
}

const filled = ([, value]: readonly [string, string]): boolean => value.trim() !== '';
