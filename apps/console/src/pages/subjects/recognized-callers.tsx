import { Stack, Text } from '@mantine/core';
import { type components } from '../../api/openapi.js';
import { Time } from '../../components/time.js';
import { texts } from '../../texts/texts.js';

type Caller = components['schemas']['RecognizedCallerDetails'];

const text = texts.subjects.callers;

/** The callers who have verified, by the last two digits of their numbers; the latest success first. */
export function RecognizedCallers({ callers }: { readonly callers: readonly Caller[] }) {
  if (callers.length === 0) return text.none;
  return (
    <Stack gap={2}>
      {callers.map(({ callerTail, firstVerifiedAt }, place) => (
        <Text key={place} size="sm">
          {callerTail === undefined ? text.withoutDigits : text.number(callerTail)}
          {firstVerifiedAt !== undefined && (
            <>
              , {text.since} <Time at={firstVerifiedAt} />
            </>
          )}
        </Text>
      ))}
    </Stack>
  );
}
