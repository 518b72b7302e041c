import fc from 'fast-check';
import {
  message,
  OUTCOMES,
  VerificationDecided,
  type FieldsOf,
  type Outcome,
  type Policy,
  type TextName,
} from '@countersign/contracts';
import { examplePolicy } from '../../test/test-policy.js';
import { decisionReply, textReply, type SwaigReply } from './swaig-reply.js';
import { TEXTS as ALL_TEXTS } from './texts.js';
import { refusalBody, REFUSAL_ERRORS, type RefusalStatus } from '../http/transport-refusals.js';

const TEXTS = ALL_TEXTS.en;

function reply(
  outcome: Outcome,
  fields: Partial<FieldsOf<VerificationDecided>> = {},
  policy: Partial<Policy> = {},
): SwaigReply {
  const decision = message(VerificationDecided, { commandId: 'command-1', outcome, level: 'none', ...fields });
  return decisionReply(decision, examplePolicy(policy));
}

const SUCCESS = { level: 'verified', subjectId: 'cust-1', verificationId: 'v-1', displayName: 'Pat Example' } as const;
const CONNECT = {
  SWML: { version: '1.0.0', sections: { main: [{ connect: { to: 'sip:support@example.com' } }] } },
  transfer: 'true',
};

describe('the reply to a success', () => {
  it('greets by name, sets the global data, sets the receipt and unlocks the functions of the level, in this order', () => {
    expect(reply('verified', { ...SUCCESS, receipt: 'the.receipt.itself' })).toEqual({
      response: 'Thank you, Pat Example. How can I help you today?',
      action: [
        {
          set_global_data: {
            verified: true,
            customer_id: 'cust-1',
            verification_level: 'verified',
            verification_id: 'v-1',
          },
        },
        { set_meta_data: { receipt: 'the.receipt.itself' } },
        {
          toggle_functions: [
            { function: 'get_store_hours', active: true },
            { function: 'get_balance', active: true },
            { function: 'transfer_funds', active: true },
          ],
        },
      ],
    });
  });

  it('sets must_change_pin if the PIN must be changed', () => {
    expect(reply('verified', { ...SUCCESS, level: 'identified', mustChangePin: true }).action?.[0]).toMatchObject({
      set_global_data: { verified: true, verification_level: 'identified', must_change_pin: true },
    });
  });

  it('unlocks only the functions of its level', () => {
    expect(reply('verified', { ...SUCCESS, level: 'identified' }).action?.[1]).toEqual({
      toggle_functions: [{ function: 'get_store_hours', active: true }],
    });
  });

  it('unlocks a function of both levels once, and sends no empty list of functions', () => {
    const both = { identified: ['a'], verified: ['a'] };
    expect(reply('verified', SUCCESS, { unlocksFunctions: both }).action?.[1]).toEqual({
      toggle_functions: [{ function: 'a', active: true }],
    });
    expect(reply('verified', SUCCESS, { unlocksFunctions: { identified: [], verified: [] } }).action).toHaveLength(1);
  });

  it('contains no name if the subject has none or the policy does not greet by name', () => {
    expect(reply('verified', { ...SUCCESS, displayName: '' }).response).toBe(TEXTS.verified_without_name);
    expect(reply('verified', SUCCESS, { greetByName: false }).response).toBe(TEXTS.verified_without_name);
    const texts = { 'en-US': { verified: 'Welcome back.' } };
    expect(reply('verified', { ...SUCCESS, displayName: '' }, { texts }).response).toBe('Welcome back.');
  });

  it('contains at most 80 characters of a name, without control characters, line breaks and braces', () => {
    const displayName = `P{name}\u0000a\u202et\n\n{attempts} ${'é'.repeat(120)}`;
    const name = /Thank you, (.*)\. How/.exec(reply('verified', { ...SUCCESS, displayName }).response)?.[1] ?? '';
    expect(name).toMatch(/^Pnameat attempts é+$/);
    expect([...name]).toHaveLength(80);
  });

  it('uses the language of the subject if the policy or the adapter has it, else the en-US text of the policy, else the built-in text', () => {
    const texts = {
      'es-MX': { verified: 'Gracias, {name}.' },
      'en-US': { verified: 'Thanks {name}!', rejected: 'No.' },
    };
    expect(reply('verified', { ...SUCCESS, locale: 'es-MX' }, { texts }).response).toBe('Gracias, Pat Example.');
    expect(reply('verified', { ...SUCCESS, locale: 'es' }, { texts }).response).toBe('Gracias, Pat Example.');
    expect(reply('verified', { ...SUCCESS, locale: 'nl-NL' }, { texts }).response).toBe('Thanks Pat Example!');
    expect(reply('verified', { ...SUCCESS, locale: 'de-CH' }, { texts }).response).toMatch(/^Danke, Pat Example\. /);
    expect(reply('verified', SUCCESS, { texts }).response).toBe('Thanks Pat Example!');
    expect(reply('rejected', {}, { texts }).response).toBe('No.');
    expect(reply('unavailable', {}, { texts }).response).toBe(TEXTS.unavailable);
  });
});

describe('the reply to a failure', () => {
  it('sets verified to false after a rejected attempt and reveals nothing else', () => {
    expect(reply('rejected', { attemptsLeft: 2 })).toEqual({
      response: TEXTS.rejected,
      action: [{ set_global_data: { verified: false } }],
    });
  });

  it('reveals an unknown subject only if the policy allows it, and with the same actions', () => {
    const unknown = { unknownSubject: true, attemptsLeft: 2 };
    expect(reply('rejected', unknown)).toEqual(reply('rejected'));
    const disclosed = reply('rejected', unknown, { discloseUnknownCaller: true });
    expect(disclosed).toEqual({ ...reply('rejected'), response: TEXTS.unknown_caller });
    expect(reply('rejected', {}, { discloseUnknownCaller: true })).toEqual(reply('rejected'));
  });

  it('states the remaining attempts only if the policy allows it', () => {
    const allowed = { tellAttemptsLeft: true };
    expect(reply('rejected', { attemptsLeft: 2 }, allowed).response).toBe(`${TEXTS.rejected} Attempts left: 2.`);
    expect(reply('rejected', {}, allowed).response).toBe(TEXTS.rejected);
    const texts = { 'en-US': { rejected: 'Wrong, {attempts} to go.' } };
    expect(reply('rejected', { attemptsLeft: 1 }, { ...allowed, texts }).response).toBe('Wrong, 1 to go.');
    expect(reply('rejected', { attemptsLeft: 1 }, { texts }).response).toBe('Wrong,  to go.');
  });

  it('is the same for locked and disabled credentials, and connects to the escalation destination', () => {
    expect(reply('locked')).toEqual({ response: TEXTS.locked, action: [CONNECT], post_process: true });
    expect(reply('disabled', { attemptsLeft: 0 })).toEqual(reply('locked'));
    expect(reply('locked', {}, { escalation: 'billing' }).action).toEqual([
      { ...CONNECT, SWML: { version: '1.0.0', sections: { main: [{ connect: { to: '+12025550100' } }] } } },
    ]);
  });

  it.each<[string, Partial<Policy>]>([
    ['no destinations', { transfers: {} }],
    ['an unknown department', { escalation: 'nobody' }],
    ['a department with the name of an inherited member', { escalation: 'constructor' }],
  ])('does not connect the call if the policy has %s', (_, policy) => {
    expect(reply('locked', {}, policy)).toEqual({ response: TEXTS.locked });
  });

  it('does not connect the call if the policy has no escalation', () => {
    const policy = examplePolicy();
    delete policy.escalation;
    const decision = message(VerificationDecided, { commandId: 'command-1', outcome: 'disabled', level: 'none' });
    expect(decisionReply(decision, policy)).toEqual({ response: TEXTS.locked });
  });

  it('states the time to wait after a rate-limited attempt and has no actions', () => {
    expect(reply('rate_limited', { retryAfterSeconds: 42 })).toEqual({
      response: 'There have been too many requests. Please wait 42 seconds and try again.',
    });
    expect(reply('rate_limited').response).toContain('60 seconds');
  });

  it('has no actions for an unavailable decision or a conflict, even if the conflict claims a success', () => {
    expect(reply('unavailable')).toEqual({ response: TEXTS.unavailable });
    for (const conflict of ['mismatch', 'ended', 'in_flight'] as const) {
      expect(reply('verified', { ...SUCCESS, conflict })).toEqual({ response: TEXTS.unavailable });
    }
  });

  it('has an error and a response for every refused HTTP status', () => {
    for (const status of Object.keys(REFUSAL_ERRORS)) {
      expect(refusalBody(Number(status) as RefusalStatus)).toEqual({
        error: expect.stringMatching(/./) as string,
        response: expect.stringMatching(/./) as string,
      });
    }
  });
});

describe('every reply', () => {
  const names = Object.keys(TEXTS) as TextName[];
  const hostile = fc.constantFrom('', ' ', '{', '{}', '{name}', '{constructor}', '{__proto__}', '$&', '\u0000');
  const texts = fc.dictionary(
    fc.constantFrom('en-US', 'es-MX', 'x'),
    fc.dictionary(fc.constantFrom(...names), hostile),
  );

  it('has a response, no unfilled placeholder, and verified true only for a success', () => {
    const decision = fc.record({
      outcome: fc.constantFrom(...OUTCOMES),
      displayName: fc.string(),
      locale: fc.constantFrom('en-US', 'es-MX', 'fr', 'x', 'toString', '__proto__', '-', ''),
      attemptsLeft: fc.nat(9),
    });
    fc.assert(
      fc.property(decision, texts, fc.boolean(), ({ outcome, ...fields }, texts, tellAttemptsLeft) => {
        const { response, action = [] } = reply(outcome, { ...fields, level: 'none' }, { texts, tellAttemptsLeft });
        expect(response.trim()).not.toBe('');
        expect(response).not.toMatch(/\{\w+\}/);
        expect(JSON.stringify(action).includes('"verified":true')).toBe(outcome === 'verified');
      }),
      { numRuns: 1000 },
    );
  });

  it('without placeholders is the text of the policy, else the built-in text', () => {
    const policy = examplePolicy({ texts: { 'en-US': { noted: 'Fine.', bad_pin: '  ' } } });
    expect(textReply(policy, 'noted')).toEqual({ response: 'Fine.' });
    expect(textReply(policy, 'bad_pin')).toEqual({ response: TEXTS.bad_pin });
  });
});
