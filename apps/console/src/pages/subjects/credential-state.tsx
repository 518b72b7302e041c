import { Badge } from '@mantine/core';
import { type components } from '../../api/openapi.js';
import { Countdown, useNow } from '../../components/time.js';
import { texts } from '../../texts/texts.js';

type Credential = components['schemas']['CredentialDetails'];

/** Whether a credential can be used; a lock with the time that it still lasts. */
export function CredentialState({ credential }: { readonly credential: Credential }) {
  const { disabled, lockedUntil, mustChange } = credential;
  const { states } = texts.subjects;
  const now = useNow(1_000);
  if (disabled)
    return (
      <Badge color="red" variant="light">
        {states.disabled}
      </Badge>
    );
  if (lockedUntil !== undefined && Date.parse(lockedUntil) > now) {
    return (
      <Badge color="red" variant="light" tt="none" miw="max-content">
        {states.locked} <Countdown until={lockedUntil} />
      </Badge>
    );
  }
  if (mustChange)
    return (
      <Badge color="yellow" variant="light">
        {states.mustChange}
      </Badge>
    );
  return (
    <Badge color="green" variant="light">
      {states.usable}
    </Badge>
  );
}
