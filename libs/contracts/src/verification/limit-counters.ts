import { type LimitedAction } from './limits.js';
import { type LimitDimension } from '../management/policy.js';
import { CHANNELS, type Channel } from './verification.js';

/** The parts of a request that select its counters. */
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
 * One counter of a tenant. Its parts are separate fields wherever it is named. Joined into one text, a value that a caller
 * chooses could name the counter of another caller.
 */
export interface LimitCounter {
  readonly dimension: LimitDimension;
  /** `any`: the name comes from credentials and not from the request, so all channels share the counter. */
  readonly channel: Channel | 'any';
  readonly kind: 'caller' | 'call' | 'id' | 'phone' | 'enrolment' | 'agent' | 'tenant';
  readonly value: string;
}

/**
 * The counters of a request, in the order of the dimensions.
 *
 * - An attempt: its caller and the subjects of that caller, if it has a caller; its call; its subject; agent and tenant. A
 *   caller who verifies as the owner of the calling number adds no subject.
 * - A function of a call: call, agent and tenant.
 * - A query over REST: agent and tenant. A backend may read the state of a call as often as its quota allows.
 * - An enrolment: its subject and the tenant, with counters of their own, so that an import does not refuse callers.
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

/** The name of a counter in overrides and resets: the same for every channel. */
export function limitTargetOf({ dimension, kind, value }: Pick<LimitCounter, 'dimension' | 'kind' | 'value'>): string {
  // No kind contains a colon, so no value can imitate another kind.
  return dimension === 'subject' ? `${kind}:${value}` : value;
}

/** The counters of a target of {@link limitTargetOf}. Absent target: those of the tenant. */
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
