import { Group, Title } from '@mantine/core';
import { useEffect, useRef, type ReactNode } from 'react';
import { texts } from '../texts/texts.js';

interface PageProps {
  readonly title: string;
  /** Beside the title. */
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** A page: its title names the document, and gets the focus when the page is opened, so a screen reader reads it. */
export function Page({ title, actions, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = texts.titleOf(title);
    heading.current?.focus({ preventScroll: true });
  }, [title]);
  return (
    <>
      <Group justify="space-between" mb="md">
        <Title order={1} size="h2" ref={heading} tabIndex={-1}>
          {title}
        </Title>
        {actions}
      </Group>
      {children}
    </>
  );
}
