import { Anchor, Group, VisuallyHidden } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { ApiProblem, problemOf } from '../../api/problem.js';
import { reactToProblem } from '../../api/queries.js';
import { useAnnounce } from '../../components/announcer.js';
import { ProblemAlert } from '../../components/problem-alert.js';
import { texts } from '../../texts/texts.js';

const FORMATS = ['ndjson', 'csv', 'ndjson.gz'] as const;
const FRAME = 'export';

/**
 * Links that export what is shown. They open in a frame without a display: the browser stores a file while it arrives, however
 * large it is, and the page stays. Only an answer that is no file is loaded into the frame, which the page reads: another request
 * would be another export, and an event that is false.
 */
export function Exports({ filters }: { readonly filters: Readonly<Record<string, string>> }) {
  const announce = useAnnounce();
  const [error, setError] = useState<unknown>(null);
  /** A new frame for each failure: otherwise each one would be a step of the browser's history. */
  const [failures, setFailures] = useState(0);
  const onLoad = ({ currentTarget: { contentDocument } }: SyntheticEvent<HTMLIFrameElement>): void => {
    // The frame without an address is loaded, too, when it is created.
    if (contentDocument?.URL === 'about:blank') return;
    // The page may not read what the browser itself shows when there is no answer.
    const text = contentDocument?.body.textContent ?? undefined;
    const problem = text === undefined ? new ApiProblem(0, 'unreachable', '') : problemOf(undefined, text);
    reactToProblem(problem);
    setError(problem);
    setFailures((count) => count + 1);
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
