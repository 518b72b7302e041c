import { type AnsweredEvent } from './events-api.js';

/** Characters that a terminal could take for a command, or that reorder a line. */
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** An event as one line for people: time, index, kind, tenant, and what the event says. */
export function eventLine({ time, index, type, tenant, subject, call, event, erased }: AnsweredEvent): string {
  const { status_code: code, status, actor, unmapped } = event;
  const user = (actor as { user?: { uid?: unknown } } | undefined)?.user?.uid;
  const attempt = (unmapped as { attempt?: unknown } | undefined)?.attempt;
  const fields = Object.entries({ subject, call, result: code ?? status, attempt, by: user })
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name}=${String(value)}`);
  const line = [time, String(index).padStart(8), type.padEnd(24), tenant.padEnd(16), ...fields];
  return [...line, ...(erased ? ['erased'] : [])].join(' ').replace(UNSAFE, '\ufffd');
}
