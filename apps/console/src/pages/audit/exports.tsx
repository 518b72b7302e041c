import { Anchor, Group, VisuallyHidden } from '@mantine/core';
import { useState } from 'react';
import { send } from '../../api/client.js';
import { ApiProblem } from '../../api/problem.js';
import { reactToProblem } from '../../api/queries.js';
import { useAnnounce } from '../../components/announcer.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { texts } from '../../texts/texts.js';

const FORMATS = ['ndjson', 'csv', 'ndjson.gz'] as const;
const FRAME = 'export';

/**
 * Links that export what is shown. They open in a frame without a display: the browser stores a file while it arrives, however
 * large it is, and the page stays. Only an answer that is no file is loaded into the frame.
 */
export function Exports({ filters }: { readonly filters: Readonly<Record<string, string>> }) {
  const announce = useAnnounce();
  const [address, setAddress] = useState<string>();
  const [error, setError] = useState<unknown>(null);
  /** A new frame for each failure: otherwise each one would be a step of the browser's history. */
  const [failures, setFailures] = useState(0);
  const onLoad = (): void => {
    // The frame without an address is loaded, too, when it is created.
    if (address === undefined) return;
    setAddress(undefined);
    setFailures((count) => count + 1);
    void problemOf(address).then((problem) => {
      reactToProblem(problem);
      setError(problem);
    });
  };
  return (
    <>
      <Group my="sm">
        {FORMATS.map((format) => {
          const href = `/v1/events/export?${new URLSearchParams({ ...filters, format }).toString()}`;
          return (
            <Anchor
              key={format}
              href={href}
              target={FRAME}
              onClick={() => {
                setError(null);
                setAddress(href);
                announce(texts.audit.exportStarted);
              }}
            >
              {texts.audit.export(format)}
            </Anchor>
          );
        })}
      </Group>
      <ProblemAlert error={error} title={texts.audit.exportFailed} />
      <VisuallyHidden aria-hidden="true">
        <iframe key={failures} name={FRAME} title={texts.audit.exportFrame} tabIndex={-1} onLoad={onLoad} />
      </VisuallyHidden>
    </>
  );
}

/** Why an address gives no file. The frame does not show it: the answer can forbid to be framed. */
async function problemOf(address: string): Promise<unknown> {
  try {
    const response = await send(new Request(new URL(address, location.origin)));
    await response.body?.cancel();
    return new ApiProblem(0, 'unreachable', '');
  } catch (error) {
    return error;
  }
}
