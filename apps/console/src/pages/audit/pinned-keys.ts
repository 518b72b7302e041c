import { useState } from 'react';

const STORED = 'countersign-log-keys';

/** The keys of the log that the operator has pinned in this browser, one a line. Public keys: they are no secret. */
export function usePinnedKeys(): readonly [keys: string | undefined, pin: (keys: string | undefined) => void] {
  const [keys, setKeys] = useState(() => localStorage.getItem(STORED) ?? undefined);
  const pin = (text: string | undefined): void => {
    if (text === undefined) localStorage.removeItem(STORED);
    else localStorage.setItem(STORED, text);
    setKeys(text);
  };
  return [keys, pin];
}
