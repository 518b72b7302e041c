import { Loader, Text } from '@mantine/core';
import { useQueryErrorResetBoundary } from '@tanstack/react-query';
import { Link, useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import { type ReactNode } from 'react';
import { Page } from '../components/page.js';
import { ProblemAlert } from '../components/problem-alert.js';
import { texts } from '../texts/texts.js';

export function Loading(): ReactNode {
  return <Loader aria-label={texts.loading} role="status" />;
}

export function NotFound(): ReactNode {
  return (
    <Page title={texts.notFound.title}>
      <Text>{texts.notFound.text}</Text>
      <Link to="/">{texts.notFound.back}</Link>
    </Page>
  );
}

/** A page that threw, or could not be loaded. */
export function PageFailed({ error, reset }: ErrorComponentProps): ReactNode {
  const router = useRouter();
  const failed = useQueryErrorResetBoundary();
  const retry = (): void => {
    // Without it, a failed session is not read again.
    failed.reset();
    reset();
    void router.invalidate();
  };
  return <ProblemAlert error={error} retry={retry} />;
}
