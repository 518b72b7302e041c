import { Button, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { whenRecentSignInIsRequired } from '../api/queries.js';
import { signInAddress, type OperatorSession } from '../api/session.js';
import { Dialog } from '../components/dialog.js';
import { texts } from '../texts/texts.js';
import { KeySignIn } from './sign-in.js';

/** Where the provider returns to: a page that closes itself. Its path is that of a route. */
const SIGNED_IN = '/console/signed-in';

/**
 * Opens when an action was refused because the sign-in is too old. The provider is opened in another tab, so the page, its open
 * dialog and what was typed stay as they are, without a copy in an address or the storage of the browser. It closes when the
 * page has read the session of the new sign-in.
 */
export function RecentSignIn({ session }: { readonly session: OperatorSession }) {
  /** When the session began for which the sign-in was too old. */
  const [tooOld, setTooOld] = useState<string>();
  const { signedInAt } = session;
  useEffect(() => whenRecentSignInIsRequired(() => setTooOld(signedInAt)), [signedInAt]);
  const close = (): void => setTooOld(undefined);
  return (
    <Dialog isOpen={tooOld === signedInAt} onClose={close} isAbove title={texts.recent.title}>
      <Text mb="md">{session.development ? texts.recent.text : texts.recent.textOfProvider}</Text>
      {session.development ? (
        <KeySignIn onDone={close} />
      ) : (
        <Button component="a" href={signInAddress(SIGNED_IN, true)} target="_blank" fullWidth>
          {texts.recent.submit}
        </Button>
      )}
    </Dialog>
  );
}
