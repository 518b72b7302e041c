import { type LoggedEvent } from './search.ports.js';

/**
 * An event as an item of the API. It contains the published bytes as they are, which costs no parsing.
 * @param more fields after those of the event
 */
export function eventItem(event: LoggedEvent, more: Readonly<Record<string, unknown>> = {}): string {
  const { id, index, type, time, tenant, subject, call, value } = event;
  const head = JSON.stringify({ id, index, type, time: time.toISOString(), tenant, subject, call });
  const tail = JSON.stringify(more).slice(1, -1);
  return `${head.slice(0, -1)},"event":${value.toString('utf8')}${tail === '' ? '' : `,${tail}`}}`;
}
