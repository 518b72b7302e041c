const CHANNEL = 'countersign-sign-ins';

/** Lets the other tabs of this browser know that the session has changed. It carries nothing else. */
export function announceSignIn(): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.postMessage('changed');
  channel.close();
}

/** @returns ends it */
export function whenSignedInElsewhere(listener: () => void): () => void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = listener;
  return () => channel.close();
}
