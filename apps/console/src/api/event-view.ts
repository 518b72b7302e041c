import { type components } from './openapi.js';
import { isRecord } from './problem.js';

export type ConsoleEvent = components['schemas']['EventItem'];

/** What the lists of events show of an event. */
export interface EventView {
  readonly id: string;
  readonly index: number;
  readonly time: string;
  readonly kind: string;
  readonly tenant: string;
  readonly subject: string | undefined;
  readonly agent: string | undefined;
  /** The code of an attempt, such as `VERIFIED`, or the status of another event. */
  readonly outcome: string | undefined;
  /** Who requested a change: name of the operator, else id of the key. */
  readonly actor: string | undefined;
  /** The last two digits of the caller's number. */
  readonly callerTail: string | undefined;
  readonly reason: string | undefined;
}

export function eventView(item: ConsoleEvent): EventView {
  const event = recordOf(item.event);
  const unmapped = recordOf(event['unmapped']);
  const personal = recordOf(item.personal);
  const user = recordOf(recordOf(event['actor'])['user']);
  return {
    ...{ id: item.id, index: item.index, time: item.time, kind: item.type, tenant: item.tenant },
    subject: item.subject ?? undefined,
    agent: textOf(unmapped['agent']),
    outcome: textOf(event['status_code']) ?? textOf(event['status']),
    actor: textOf(user['name']) ?? textOf(user['uid']),
    callerTail: textOf(personal['caller_tail']) ?? textOf(unmapped['caller_tail']),
    reason: textOf(recordOf(personal['detail'])['reason']) ?? textOf(recordOf(unmapped['detail'])['reason']),
  };
}

const recordOf = (value: unknown): Readonly<Record<string, unknown>> => (isRecord(value) ? value : {});
const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);
