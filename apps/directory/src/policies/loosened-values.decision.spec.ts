import { DEFAULT_POLICY, SIGNAL_DEFAULTS, type LoosenableField } from '@countersign/contracts';
import { mergePolicies } from './effective-policy.decision.js';
import { loosenedValues, type PolicyWithSignals } from './loosened-values.decision.js';

const policyOf = (policy: Record<string, unknown> = {}): PolicyWithSignals =>
  mergePolicies({ ...DEFAULT_POLICY, signals: SIGNAL_DEFAULTS }, policy) as unknown as PolicyWithSignals;

interface Given {
  readonly inherited?: Record<string, unknown>;
  readonly before?: Record<string, unknown>;
  readonly mayLoosen?: LoosenableField[];
}

function loosened(policy: Record<string, unknown>, given: Given = {}): string[] {
  const { inherited = {}, before = inherited, mayLoosen = [] } = given;
  const violations = loosenedValues(policyOf(policy), policyOf(inherited), policyOf(before), mayLoosen);
  return violations.map(({ field }) => field);
}

const waiver = { owner: 'Ada', reason: 'pilot', expires: '2027-01-31' };

describe('the loosened values of a policy', () => {
  it.each<[Record<string, unknown>, string]>([
    [{ attempts: { perWindow: 4 } }, 'policy.attempts.perWindow'],
    [{ attempts: { windowSeconds: 899 } }, 'policy.attempts.windowSeconds'],
    [{ attempts: { lockSeconds: 899 } }, 'policy.attempts.lockSeconds'],
    [{ attempts: { maxLockSeconds: 86_399 } }, 'policy.attempts.maxLockSeconds'],
    [{ limits: { call: { periodSeconds: 599 } } }, 'policy.limits.call.periodSeconds'],
    [{ limits: { agent: { burst: 601 } } }, 'policy.limits.agent.burst'],
    [{ limits: { subject: { shadow: true } } }, 'policy.limits.subject.shadow'],
    [{ signals: { subjectsPerPin: 11 } }, 'policy.signals.subjectsPerPin'],
    [{ verifiedSeconds: 901 }, 'policy.verifiedSeconds'],
    [{ endVerificationOnChange: false }, 'policy.endVerificationOnChange'],
    [{ tellAttemptsLeft: true }, 'policy.tellAttemptsLeft'],
    [{ discloseUnknownCaller: true }, 'policy.discloseUnknownCaller'],
    [{ knowledge: { waiver } }, 'policy.knowledge.waiver'],
  ])('include %j', (policy, field) => {
    expect(loosened(policy)).toEqual([field]);
  });

  it('include both the limit and the burst that follows from it', () => {
    expect(loosened({ limits: { caller: { limit: 11 } } })).toEqual([
      ...['policy.limits.caller.limit', 'policy.limits.caller.burst'],
    ]);
  });

  it.each<Record<string, unknown>>([
    {},
    { attempts: { perWindow: 1, windowSeconds: 1000, lockSeconds: 3600, maxLockSeconds: 100_000 } },
    { limits: { caller: { limit: 1, periodSeconds: 61 }, agent: { burst: 1, shadow: false } } },
    { signals: { subjectsPerCaller: 2, stricter: true }, verifiedSeconds: 1 },
    { trustsCallsOf: ['desk'], functions: [], greetByName: false, unlocksFunctions: ['pay'], transfers: {} },
  ])('do not include the stricter and unrelated values of %j', (policy) => {
    expect(loosened(policy)).toEqual([]);
  });

  it('do not include fields that tenants may loosen', () => {
    const policy = { attempts: { perWindow: 9 }, limits: { call: { limit: 99 } }, verifiedSeconds: 1800 };
    expect(loosened(policy, { mayLoosen: ['attempts', 'limits'] })).toEqual(['policy.verifiedSeconds']);
    expect(loosened(policy, { mayLoosen: ['limits'] })).toEqual([
      'policy.attempts.perWindow',
      'policy.verifiedSeconds',
    ]);
  });

  it('do not include a value that is stricter than before, although it is looser than the inherited one', () => {
    const before = { attempts: { perWindow: 9 }, knowledge: { waiver } };
    const earlier = { ...waiver, expires: '2026-12-31' };
    expect(loosened({ attempts: { perWindow: 8 }, knowledge: { waiver: earlier } }, { before })).toEqual([]);
    expect(loosened({ attempts: { perWindow: 10 }, knowledge: { waiver } }, { before })).toEqual([
      'policy.attempts.perWindow',
    ]);
    const later = { ...waiver, expires: '2027-02-01' };
    expect(loosened({ ...before, knowledge: { waiver: later } }, { before })).toEqual(['policy.knowledge.waiver']);
  });

  it('name the field and the rule, and no value', () => {
    const [violation] = loosenedValues(policyOf({ verifiedSeconds: 83_729 }), policyOf(), policyOf(), []);
    expect(violation).toEqual({
      field: 'policy.verifiedSeconds',
      rule: 'must not be above the inherited value, which only the administrator may loosen',
    });
  });
});
