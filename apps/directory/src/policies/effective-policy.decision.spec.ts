import { DEFAULT_POLICY, overlay } from './effective-policy.decision.js';

describe('a policy over another', () => {
  it('changes what it names and nothing else', () => {
    const policy = overlay(
      DEFAULT_POLICY,
      { attempts: { perWindow: 5 }, greetByName: false },
      { attempts: { lockSeconds: 60 } },
    );
    expect(policy['attempts']).toEqual({ perWindow: 5, windowSeconds: 900, lockSeconds: 60, maxLockSeconds: 86_400 });
    expect(policy['greetByName']).toBe(false);
    expect(policy['limits']).toEqual(DEFAULT_POLICY['limits']);
  });

  it('ends verifications on a change and trusts no other agent by default, and takes what a lower level says', () => {
    expect(DEFAULT_POLICY).toMatchObject({ endVerificationOnChange: true, trustsCallsOf: [] });
    const tenant = { endVerificationOnChange: false, trustsCallsOf: ['desk', 'kiosk'] };
    expect(overlay(DEFAULT_POLICY, tenant, {})).toMatchObject(tenant);
    const agent = { endVerificationOnChange: true, trustsCallsOf: ['desk'] };
    expect(overlay(DEFAULT_POLICY, tenant, agent)).toMatchObject(agent);
  });

  it('replaces lists', () => {
    expect(overlay(DEFAULT_POLICY, { functions: ['verify_pin'] })['functions']).toEqual(['verify_pin']);
  });

  it('reads a plain list of unlocked functions as the level verified', () => {
    const policy = overlay(
      DEFAULT_POLICY,
      { unlocksFunctions: { identified: ['hours'] } },
      { unlocksFunctions: ['pay'] },
    );
    expect(policy['unlocksFunctions']).toEqual({ identified: ['hours'], verified: ['pay'] });
  });

  it('leaves the layers as they are', () => {
    const before = JSON.stringify(DEFAULT_POLICY);
    overlay(DEFAULT_POLICY, { attempts: { perWindow: 1 } });
    expect(JSON.stringify(DEFAULT_POLICY)).toBe(before);
  });

  it('cannot reach the prototype of anything', () => {
    overlay(DEFAULT_POLICY, JSON.parse('{"__proto__": {"polluted": true}}') as Record<string, unknown>);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});
