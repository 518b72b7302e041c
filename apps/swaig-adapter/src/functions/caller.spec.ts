import { type AgentPublished } from '@countersign/contracts';
import { callerDigest, digestOf, phoneDigest } from '@countersign/crypto';
import { NO_NUMBERS, spelledNumbers } from '@countersign/testing';
import fc from 'fast-check';
import { callerOf, type Caller } from './caller.js';
import { readSwaigRequest, type FunctionCall } from './swaig-request.js';

const AGENT = { tenant: 'acme', policy: { defaultCountry: null as string | null } } as AgentPublished;
/** Texts of NO_NUMBERS that are addresses with a telephone number. */
const ADDRESSES = /^sips?:\+[0-9]+@|;phone-context=\+/;

/** The caller in a request that has it in the given field. */
function callerIn(field: string, caller: unknown, agent = AGENT): Caller {
  const fields = field === 'channel_data' ? { channel_data: { caller_id_number: caller } } : { [field]: caller };
  const body = Buffer.from(JSON.stringify({ function: 'verify_pin', ...fields }));
  return callerOf(agent, readSwaigRequest(body) as FunctionCall);
}

const FIELDS = ['caller_id_num', 'caller_id_number', 'caller_id', 'channel_data'];

describe('callerOf', () => {
  it('takes the subject from the customer id that was read before, and reads no argument of the call again', () => {
    const body = Buffer.from(JSON.stringify({ function: 'verify_pin', argument: { customer_id: 'cust-2' } }));
    const call = readSwaigRequest(body) as FunctionCall;
    expect(callerOf(AGENT, call, 'cust-1').subject).toEqual({ kind: 'id', id: 'cust-1' });
    expect(callerOf(AGENT, call).subject.kind).toBe('phone');
  });

  it('identifies the same caller and subject for every spelling of a number and every field', () => {
    fc.assert(
      fc.property(fc.constantFrom(...FIELDS), spelledNumbers, (field, { number, spellings }) => {
        for (const spelling of spellings) {
          expect(callerIn(field, spelling)).toEqual({
            subject: { kind: 'phone', digest: phoneDigest('acme', number) },
            subjectIsCaller: true,
            caller: callerDigest('acme', 'phone', number),
            callerTail: number.slice(-2),
          });
        }
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, unknown]>([
    ['a number with a parameter', '+12025550123;verstat=TN-Validation-Passed'],
    ['a SIP URI', 'sip:+12025550123;verstat=TN-Validation-Passed@gw.example.com;user=phone'],
    ['a display name', '"Pat" <tel:+12025550123>;verstat=TN-Validation-Passed'],
  ])('reads the number and the attestation from %s', (_, caller) => {
    expect(callerIn('caller_id_num', caller)).toEqual({
      subject: { kind: 'phone', digest: phoneDigest('acme', '+12025550123') },
      subjectIsCaller: true,
      caller: callerDigest('acme', 'phone', '+12025550123'),
      callerTail: '23',
      attestation: 'TN-Validation-Passed',
    });
  });

  it.each<[string, unknown]>([
    ['without a plus', '12025550123'],
    ['in national format', '(202) 555-0123'],
    ['as a JSON number', 12025550123],
  ])('reads a number %s only if the policy has a default country', (_, caller) => {
    const agent = { ...AGENT, policy: { ...AGENT.policy, defaultCountry: 'US' } } as AgentPublished;
    expect(callerIn('caller_id_num', caller, agent).subject).toEqual({
      kind: 'phone',
      digest: phoneDigest('acme', '+12025550123'),
    });
    expect(callerIn('caller_id_num', caller).callerTail).toBe('');
  });

  it.each(NO_NUMBERS.filter((text) => !ADDRESSES.test(text)).map((text) => [text]))(
    'identifies a caller without a number by the text %j',
    (text) => {
      const [caller, again] = [callerIn('caller_id_num', text), callerIn('caller_id_num', text)];
      // The caller key makes limits apply. The empty tail keeps the caller from becoming a recognized caller.
      expect(caller).toEqual({
        subject: { kind: 'phone', digest: digestOf('unknown', 'acme', 'caller', text.trim()) },
        subjectIsCaller: false,
        caller: callerDigest('acme', 'text', text.trim()),
        callerTail: '',
      });
      expect(again).toEqual(caller);
    },
  );
});
