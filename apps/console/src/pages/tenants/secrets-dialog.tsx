import { Button, Code, Text } from '@mantine/core';
import { Dialog } from '../../components/dialog.js';
import { texts } from '../../texts/texts.js';

/** New secrets by what they are. */
export type ShownSecrets = Readonly<Partial<Record<keyof typeof texts.tenants.secretNames, string>>>;

interface SecretsDialogProps {
  /** Undefined: closed. The owner drops them when the dialog closes: they exist nowhere else in the page. */
  readonly secrets: ShownSecrets | undefined;
  readonly onClose: () => void;
}

/** Shows new secrets, once. */
export function SecretsDialog({ secrets, onClose }: SecretsDialogProps) {
  return (
    <Dialog isOpen={secrets !== undefined} onClose={onClose} closesOutside={false} title={texts.tenants.secretsTitle}>
      <Text mb="sm">{texts.tenants.secretsText}</Text>
      {Object.entries(secrets ?? {}).map(([name, secret]) => (
        <div key={name}>
          <Text fw={700}>{texts.tenants.secretNames[name as keyof ShownSecrets]}</Text>
          <Code block data-secret={name}>
            {secret}
          </Code>
        </div>
      ))}
      <Button mt="md" onClick={onClose}>
        {texts.tenants.secretsStored}
      </Button>
    </Dialog>
  );
}
