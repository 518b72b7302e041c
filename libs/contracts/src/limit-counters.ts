import { type LimitedAction } from './limits.js';
import { type LimitDimension } from './policy.js';
import { CHANNELS, type Channel } from './verification.js';

/** The parts of a request that decide which counters it touches. */
export interface LimitedRequest {
  readonly tenant: string;
  readonly agent?: string | undefined;
  readonly channel: Channel;
  readonly callId?: string | undefined;
  readonly callerKey?: string | undefined;
  readonly subjectKind?: 'id' | 'phone' | undefined;
  readonly subjectRef?: string | undefined;
  readonly subjectIsCaller?: boolean | undefined;
  readonly action?: LimitedAction | undefined;
  readonly subject?: string | undefined;
}

/**
 * One counter of a tenant. Its parts are fields of their own, wherever it is named: joined into one text, a value that a
 * caller chooses could spell the counter of somebody else.
 */
export interface LimitCounter {
  readonly dimension: LimitDimension;
  /** `any`: the name comes from credentials and from nothing in a request, so every channel counts together. */
  readonly channel: Channel | 'any';
  readonly kind: 'caller' | 'call' | 'id' | 'phone' | 'enrolment' | 'agent' | 'tenant';
  readonly value: string;
}

/**
 * The counters that a request touches, in the order of the dimensions.
 *
 * - A guess: its caller and the subjects of that caller, when it has one; its call; its subject; agent and tenant. A caller
 *   who is found by the own number meets nobody else.
 * - A function of a call: call, agent and tenant.
 * - A question over REST: agent and tenant. A backend may look at one call as often as its quota allows.
 * - An enrolment: its subject, and the tenant, both apart from those of guesses: an import must not refuse callers.
 */
export function limitCountersOf(request: LimitedRequest): LimitCounter[] {
  const { tenant, agent, channel, callId, callerKey, subjectKind, subjectRef, action, subject } = request;
  const ofTenant = (kind: 'tenant' | 'enrolment'): LimitCounter => ({
    dimension: 'tenant',
    channel: 'any',
    kind,
    value: tenant,
  });
  if (action === 'enrolment') {
    return [{ dimension: 'subject', channel, kind: 'enrolment', value: subject ?? '' }, ofTenant('enrolment')];
  }
  const byCall = action === undefined || action === 'function';
  const counters: (LimitCounter | undefined)[] = [
    callerKey === undefined ? undefined : { dimension: 'caller', channel, kind: 'caller', value: callerKey },
    callId === undefined || !byCall ? undefined : { dimension: 'call', channel, kind: 'call', value: callId },
    subjectKind === undefined || subjectRef === undefined
      ? undefined
      : { dimension: 'subject', channel, kind: subjectKind, value: subjectRef },
    { dimension: 'agent', channel: 'any', kind: 'agent', value: agent ?? '' },
    ofTenant('tenant'),
    callerKey === undefined || request.subjectIsCaller === true
      ? undefined
      : { dimension: 'subjectsPerCaller', channel, kind: 'caller', value: callerKey },
  ];
  return counters.filter((counter) => counter !== undefined);
}

/** What an override or a reset calls a counter: the same over every channel. */
export function limitTargetOf({ dimension, kind, value }: Pick<LimitCounter, 'dimension' | 'kind' | 'value'>): string {
  // No kind has a colon in it, so nothing in a value can spell another kind.
  return dimension === 'subject' ? `${kind}:${value}` : value;
}

/** The counters that a target of {@link limitTargetOf} names. Absent target: the tenant's own. */
export function limitCountersOfTarget(
  dimension: LimitDimension,
  tenant: string,
  target: string | undefined,
): LimitCounter[] {
  const overEveryChannel = (kind: LimitCounter['kind'], value: string): LimitCounter[] =>
    CHANNELS.map((channel) => ({ dimension, channel, kind, value }));
  switch (dimension) {
    case 'caller':
    case 'subjectsPerCaller':
      return overEveryChannel('caller', target ?? '');
    case 'call':
      return overEveryChannel('call', target ?? '');
    case 'subject': {
      const [kind = '', value = ''] = [target?.split(':', 1)[0], target?.slice(target.indexOf(':') + 1)];
      if (kind === 'phone') return overEveryChannel('phone', value);
      return [...overEveryChannel('id', value), ...overEveryChannel('enrolment', value)];
    }
    case 'agent':
      return [{ dimension, channel: 'any', kind: 'agent', value: target ?? '' }];
    case 'tenant':
      return (['tenant', 'enrolment'] as const).map((kind) => ({ dimension, channel: 'any', kind, value: tenant }));
  }
}
