import { Button, Paper, PasswordInput, Stack, Text, Title } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState, type FormEvent } from 'react';
import { sessionQuery, signInAddress, signInWithKey, type SignInMethod } from '../api/session.js';
import { ProblemAlert } from '../components/problem-alert.js';
import { texts } from '../texts/texts.js';

interface SignInProps {
  readonly method: SignInMethod;
  /** The operator was signed in before, on the same page. */
  readonly hasEnded: boolean;
}

/** Shown instead of every page, until an operator is signed in. */
export function SignIn({ method, hasEnded }: SignInProps) {
  useEffect(() => {
    document.title = texts.titleOf(texts.signIn.title);
  }, []);
  return (
    <main id="content">
      <Paper maw={420} mx="auto" my={80} p="xl" withBorder>
        <Title order={1} size="h2" mb="md">
          {texts.signIn.title}
        </Title>
        {hasEnded && (
          <Text role="alert" mb="md">
            {texts.signIn.ended}
          </Text>
        )}
        <SignInError />
        {method === 'oidc' ? <ProviderSignIn /> : <KeySignIn />}
      </Paper>
    </main>
  );
}

/** Why the provider returned without a new session. */
export function SignInError() {
  const code = new URLSearchParams(location.search).get('signInError');
  if (code === null) return null;
  const reasons: Readonly<Record<string, string>> = texts.signIn.errors;
  return (
    <Text role="alert" c="var(--mantine-color-error)" mb="md">
      {reasons[code] ?? texts.signIn.errors.refused}
    </Text>
  );
}

/** The path of the page that is shown, for the return from the provider. It never contains a number or a secret. */
export function currentPath(): string {
  const search = new URLSearchParams(location.search);
  search.delete('signInError');
  return location.pathname + (search.size === 0 ? '' : `?${search.toString()}`);
}

function ProviderSignIn() {
  return (
    <Button component="a" href={signInAddress(currentPath())} fullWidth>
      {texts.signIn.withProvider}
    </Button>
  );
}

/** @param onDone called when the key was accepted */
export function KeySignIn({ onDone }: { readonly onDone?: () => void }) {
  const [key, setKey] = useState('');
  const queries = useQueryClient();
  const signIn = useMutation({
    mutationFn: signInWithKey,
    // The key is a variable of the mutation, which is otherwise kept for minutes.
    gcTime: 0,
    onSuccess: async () => {
      setKey('');
      await queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
      onDone?.();
    },
  });
  const onSubmit = (event: FormEvent): void => {
    event.preventDefault();
    signIn.mutate(key);
  };
  return (
    <form onSubmit={onSubmit}>
      <Stack>
        <Text>{texts.signIn.keyHint}</Text>
        <PasswordInput
          required
          autoComplete="off"
          label={texts.signIn.key}
          value={key}
          onChange={(event) => setKey(event.currentTarget.value)}
        />
        <ProblemAlert error={signIn.error} />
        <Button type="submit" loading={signIn.isPending}>
          {texts.signIn.submit}
        </Button>
      </Stack>
    </form>
  );
}
