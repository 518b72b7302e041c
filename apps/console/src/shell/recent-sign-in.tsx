import { Button, Text } from '@mantine/core';
import { useEffect, useState } from 'react';
import { whenRecentSignInIsRequired } from '../api/queries.js';
import { signInAddress } from '../api/session.js';
import { Dialog } from '../components/dialog.js';
import { texts } from '../texts/texts.js';
import { currentPath, KeySignIn } from './sign-in.js';

/** Opens when an action was refused because the sign-in is too old. The provider returns to the page of the action. */
export function RecentSignIn({ development }: { readonly development: boolean }) {
  const [isOpen, setOpen] = useState(false);
  useEffect(() => whenRecentSignInIsRequired(() => setOpen(true)), []);
  const close = (): void => setOpen(false);
  return (
    <Dialog isOpen={isOpen} onClose={close} title={texts.recent.title}>
      <Text mb="md">{texts.recent.text}</Text>
      {development ? (
        <KeySignIn onDone={close} />
      ) : (
        <Button component="a" href={signInAddress(currentPath(), true)} fullWidth>
          {texts.recent.submit}
        </Button>
      )}
    </Dialog>
  );
}
