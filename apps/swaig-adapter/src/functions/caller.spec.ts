import { type AgentPublished } from '@countersign/contracts';
import { callerDigest, digestOf, phoneDigest } from '@countersign/crypto';
import { NO_NUMBERS, spelledNumbers } from '@countersign/testing';
import fc from 'fast-check';
import { callerOf, type Caller } from './caller.js';
import { readSwaigRequest, type FunctionCall } from './swaig-request.js';

const AGENT = { tenant: 'acme', policy: { defaultCountry: null as string | null } } as AgentPublished;
/** No numbers as such, but addresses that hold one. */
const ADDRESSES = /^sips?:\+[0-9]+@|;phone-context=\+/;

/** Who calls, as a platform's request says it in one of the fields that it has for it. */
function callerIn(field: string, caller: unknown, agent = AGENT): Caller {
  const said = field === 'channel_data' ? { channel_data: { caller_id_number: caller } } : { [field]: caller };
  const body = Buffer.from(JSON.stringify({ function: 'verify_pin', ...said }));
  return callerOf(agent, readSwaigRequest(body) as FunctionCall);
}

const FIELDS = ['caller_id_num', 'caller_id_number', 'caller_id', 'channel_data'];

describe('the caller of a call', () => {
  it('is the same, and the same subject, whatever the spelling of the number and whichever field it comes in', () => {
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
    ['a parameter', '+12025550123;verstat=TN-Validation-Passed'],
    ['a SIP URI', 'sip:+12025550123;verstat=TN-Validation-Passed@gw.example.com;user=phone'],
    ['a display name', '"Pat" <tel:+12025550123>;verstat=TN-Validation-Passed'],
  ])('has the number in %s, and what the network says about it is kept', (_, caller) => {
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
    ['as it is dialled at home', '(202) 555-0123'],
    ['as a JSON number', 12025550123],
  ])('has a number that comes %s in the default country of the policy, and nowhere else', (_, caller) => {
    const agent = { ...AGENT, policy: { ...AGENT.policy, defaultCountry: 'US' } } as AgentPublished;
    expect(callerIn('caller_id_num', caller, agent).subject).toEqual({
      kind: 'phone',
      digest: phoneDigest('acme', '+12025550123'),
    });
    expect(callerIn('caller_id_num', caller).callerTail).toBe('');
  });

  it.each(NO_NUMBERS.filter((text) => !ADDRESSES.test(text)).map((text) => [text]))(
    'is nobody who has a number when the platform says %j',
    (text) => {
      const [caller, again] = [callerIn('caller_id_num', text), callerIn('caller_id_num', text)];
      // A key of its own all the same, so that it is limited and counted; no tail, so that it is nobody's known caller.
      expect(caller).toEqual({
        subject: { kind: 'phone', digest: digestOf('nobody', 'acme', 'caller', text.trim()) },
        subjectIsCaller: false,
        caller: callerDigest('acme', 'text', text.trim()),
        callerTail: '',
      });
      expect(again).toEqual(caller);
    },
  );
});
