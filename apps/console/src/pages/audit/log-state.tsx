import { Alert, Badge, Button, Group, Text, Textarea, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState, type FormEvent } from 'react';
import { api } from '../../api/client.js';
import { useAnnounce } from '../../components/announcer.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { Time } from '../../components/time.js';
import { labelOf } from '../../texts/label.js';
import { texts } from '../../texts/texts.js';
import { isKeyText } from './proof.js';

const REFRESHED_MS = 15_000;

/** @param tenant of which the operator reads events; undefined: all */
export const logQuery = (tenant: string | undefined) =>
  ({
    queryKey: ['log', tenant],
    queryFn: async () => (await api.GET('/v1/log', { params: { query: { tenant } } })).data,
    refetchInterval: REFRESHED_MS,
  }) as const;

/** Size, last checkpoint and completeness of the log. */
export function LogState({ tenant }: { readonly tenant: string | undefined }) {
  const { data, error } = useQuery(logQuery(tenant));
  if (error !== null) return <ProblemAlert error={error} />;
  if (data === undefined) return null;
  const { size, checkpoint, comparedUntil, differences } = data;
  const isComplete = differences.length === 0;
  return (
    <section aria-labelledby="log-state">
      <Title order={2} size="h3" id="log-state" mb="xs">
        {texts.audit.state}
      </Title>
      <Text>{texts.audit.size(size)}</Text>
      <Text>
        {checkpoint === null ? (
          texts.audit.unsigned
        ) : (
          <>
            {texts.audit.signed(checkpoint.size)} <Time at={checkpoint.signedAt} />
          </>
        )}
      </Text>
      <Group gap="xs" my="xs">
        {comparedUntil === null && isComplete ? (
          <Badge variant="light" color="gray">
            {texts.audit.notCompared}
          </Badge>
        ) : (
          <Badge variant="light" color={isComplete ? 'green' : 'red'}>
            {isComplete ? texts.audit.complete : texts.audit.incomplete}
          </Badge>
        )}
        {comparedUntil !== null && (
          <Text size="sm">
            {texts.audit.comparedUntil} <Time at={comparedUntil} />
          </Text>
        )}
      </Group>
      {differences.map(({ difference, count }) => (
        <Text key={difference} c="var(--mantine-color-error)">
          {labelOf(texts.words.differences, difference)}: {count.toLocaleString()}
        </Text>
      ))}
    </section>
  );
}

interface PinnedKeysProps {
  readonly pinned: string | undefined;
  readonly pin: (keys: string | undefined) => void;
}

/** States whose keys verify the proofs, and lets the operator pin keys that came another way. */
export function PinnedKeys({ pinned, pin }: PinnedKeysProps) {
  const [text, setText] = useState('');
  const [isWrong, setIsWrong] = useState(false);
  const announce = useAnnounce();
  if (pinned !== undefined) {
    return (
      <Group align="flex-start" my="md">
        <Text style={{ overflowWrap: 'anywhere' }}>
          {texts.audit.pinned} <code>{pinned}</code>
        </Text>
        <Button variant="default" size="xs" onClick={() => pin(undefined)}>
          {texts.audit.unpin}
        </Button>
      </Group>
    );
  }
  const submit = async (): Promise<void> => {
    const isKey = await isKeyText(text);
    setIsWrong(!isKey);
    if (!isKey) return;
    pin(text.trim());
    announce(texts.audit.pinnedNow);
  };
  return (
    <form
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Alert color="yellow" role="note" my="md" title={texts.audit.notPinned}>
        {texts.audit.notPinnedText}
        <Textarea
          mt="sm"
          label={texts.audit.key}
          description={texts.audit.keyHint}
          value={text}
          maxLength={4_096}
          error={isWrong ? texts.audit.wrongKey : undefined}
          onChange={(event) => setText(event.currentTarget.value)}
        />
        <Button type="submit" size="xs" mt="sm" disabled={text.trim() === ''}>
          {texts.audit.pin}
        </Button>
      </Alert>
    </form>
  );
}
