import { checkPolicy } from './check-policy.js';
import { DEFAULT_POLICY } from './domain/effective-policy.js';

const check = (raw: Record<string, unknown>): string[] => {
  const result = checkPolicy(DEFAULT_POLICY, raw);
  return 'violations' in result ? result.violations.map(({ field }) => field) : [];
};

describe('a policy', () => {
  it('is good with the defaults alone', () => {
    expect(check({})).toEqual([]);
  });

  it.each([
    [{ attempts: { perWindow: 0 } }, 'policy.attempts.perWindow'],
    [{ attempts: { perWindow: 101 } }, 'policy.attempts.perWindow'],
    [{ attempts: { perWindow: '3' } }, 'policy.attempts.perWindow'],
    [{ attempts: 3 }, 'policy.attempts'],
    [{ limits: { caller: { limit: -1 } } }, 'policy.limits.caller.limit'],
    [{ functions: ['open_vault'] }, 'policy.functions'],
    [{ unknownField: 1 }, 'policy.unknownField'],
    [{ transfers: { support: 'https://example.com' } }, 'policy.transfers.support'],
    [{ transfers: { support: '5550100' } }, 'policy.transfers.support'],
    [{ escalation: 'support' }, 'policy.escalation'],
    [{ texts: { 'en-US': { verified: 'Your PIN is {pin}' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { verified: '' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { verified: 'Hello ${name}' } } }, 'policy.texts.en-US.verified'],
    [{ texts: { 'en-US': { keypad_prompt: 'You keyed %{prompt_value}' } } }, 'policy.texts.en-US.keypad_prompt'],
    [{ texts: { 'en-US': { keypad_done: '{receipt}' } } }, 'policy.texts.en-US.keypad_done'],
    [{ texts: { 'en-US': { rejected: 'Not so, {name}' } } }, 'policy.texts.en-US.rejected'],
    [{ texts: { 'en-US': { locked: 'Call us {' } } }, 'policy.texts.en-US.locked'],
    [{ texts: { 'en-US': { bad_pin: '{{pin}}' } } }, 'policy.texts.en-US.bad_pin'],
    [{ texts: { 'en-US': { verifed: 'Hello' } } }, 'policy.texts.en-US'],
    [{ texts: { 'en-US': { constructor: 'Hello' } } }, 'policy'],
    [{ attempts: { constructor: 1 } }, 'policy'],
    [{ language: 'english please' }, 'policy.language'],
    [{ transfers: { ['x'.repeat(65)]: 'sip:a@example.com' } }, 'policy.transfers'],
    [{ transfers: { 'a {name}': 'sip:a@example.com' } }, 'policy.transfers'],
    [
      { knowledge: { questions: [{ name: 'X', description: 'x', kind: 'digits' }] } },
      'policy.knowledge.questions[0].name',
    ],
  ])('%j names the field %s', (raw, field) => {
    expect(check(raw)).toContain(field);
  });

  it.each([
    { transfers: { support: 'sip:support@example.com', billing: '+12025550100' }, escalation: 'billing' },
    { unlocksFunctions: ['get_balance'] },
    { texts: { 'en-US': { verified: 'Thank you, {name}.' } } },
    { texts: { es: { rate_limited: 'Espere {seconds} s: cuesta 5 $.', transfer_refused: '{departments}' } } },
    { language: 'es-MX', transfers: { 'Atención al cliente': 'sip:support@example.com' } },
  ])('may be %j', (raw) => {
    expect(check(raw)).toEqual([]);
  });

  it('never repeats a value', () => {
    const result = checkPolicy(DEFAULT_POLICY, { transfers: { support: 'value-83729164' } });
    expect(JSON.stringify(result)).not.toContain('83729164');
  });
});
