import { DEFAULT_POLICY } from '@countersign/contracts';
import { mergePolicies } from './effective-policy.decision.js';

describe('the merged policies', () => {
  it('take from a later policy only the fields that it names', () => {
    const policy = mergePolicies(
      DEFAULT_POLICY,
      { attempts: { perWindow: 5 }, greetByName: false },
      { attempts: { lockSeconds: 60 } },
    );
    expect(policy['attempts']).toEqual({ perWindow: 5, windowSeconds: 900, lockSeconds: 60, maxLockSeconds: 86_400 });
    expect(policy['greetByName']).toBe(false);
    expect(policy['limits']).toEqual(DEFAULT_POLICY['limits']);
  });

  it('end verifications on a change and trust no other agent by default, unless a later policy says otherwise', () => {
    expect(DEFAULT_POLICY).toMatchObject({ endVerificationOnChange: true, trustsCallsOf: [] });
    const tenant = { endVerificationOnChange: false, trustsCallsOf: ['desk', 'kiosk'] };
    expect(mergePolicies(DEFAULT_POLICY, tenant, {})).toMatchObject(tenant);
    const agent = { endVerificationOnChange: true, trustsCallsOf: ['desk'] };
    expect(mergePolicies(DEFAULT_POLICY, tenant, agent)).toMatchObject(agent);
  });

  it('take a list from the latest policy that has one, without merging items', () => {
    expect(mergePolicies(DEFAULT_POLICY, { functions: ['verify_pin'] })['functions']).toEqual(['verify_pin']);
  });

  it('treat a plain list of unlocked functions as the level verified', () => {
    const policy = mergePolicies(
      DEFAULT_POLICY,
      { unlocksFunctions: { identified: ['hours'] } },
      { unlocksFunctions: ['pay'] },
    );
    expect(policy['unlocksFunctions']).toEqual({ identified: ['hours'], verified: ['pay'] });
  });

  it('do not modify the policies they are made from', () => {
    const before = JSON.stringify(DEFAULT_POLICY);
    mergePolicies(DEFAULT_POLICY, { attempts: { perWindow: 1 } });
    expect(JSON.stringify(DEFAULT_POLICY)).toBe(before);
  });

  it('do not pollute the prototype of objects', () => {
    mergePolicies(DEFAULT_POLICY, JSON.parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
