import { createContext, useCallback, useContext, useState, type ReactNode } from 'react';
import { VisuallyHidden } from '@mantine/core';

const Announce = createContext<(text: string) => void>(() => undefined);

/** Reads a result out to users of a screen reader, without moving the focus. */
export const useAnnounce = (): ((text: string) => void) => useContext(Announce);

export function AnnouncerProvider({ children }: { readonly children: ReactNode }) {
  const [message, setMessage] = useState({ text: '', number: 0 });
  const announce = useCallback((text: string) => setMessage(({ number }) => ({ text, number: number + 1 })), []);
  return (
    <Announce value={announce}>
      {children}
      {/* A new element for each message: the same text twice is read twice. */}
      <div role="status" aria-live="polite">
        <VisuallyHidden key={message.number}>{message.text}</VisuallyHidden>
      </div>
    </Announce>
  );
}
