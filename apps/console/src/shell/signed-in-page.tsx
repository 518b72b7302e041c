import { Text } from '@mantine/core';
import { useEffect, type ReactNode } from 'react';
import { announceSignIn } from '../api/sign-ins.js';
import { Page } from '../components/page.js';
import { texts } from '../texts/texts.js';

/** Where another sign-in ends that a dialog of another tab needed. */
export function SignedInPage(): ReactNode {
  useEffect(() => {
    announceSignIn();
    // A browser may refuse it, for a tab with a history.
    window.close();
  }, []);
  return (
    <Page title={texts.recent.doneTitle}>
      <Text>{texts.recent.done}</Text>
    </Page>
  );
}
