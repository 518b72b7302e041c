import { type FactRecorded, type FieldsOf, type KnowledgeQuestion } from '@countersign/contracts';
import { eventually } from '@countersign/testing';
import { TEXTS } from '../replies/texts.js';
import {
  basic,
  CANARY,
  functionCall,
  PASSWORD,
  PHONE,
  SwaigTestBed,
  type ReceivedResponse,
} from '../../test/test-bed.js';
import { exampleAgent } from '../../test/test-policy.js';

const ANSWERS = { last_four_ssn: 'oh four two seven', zip_code: '9 4 1 0 5' };
const TEXT = TEXTS.en;

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open();
});
beforeEach(() => {
  bed.requests.length = 0;
  bed.stateRequests.length = 0;
  bed.facts.length = 0;
  bed.decide = () => ({});
  bed.callState = () => ({});
});
afterAll(() => bed.close());

const SSN = 'Last four digits of the SSN (4 digits)';
const ZIP = 'Billing ZIP code (5 digits)';
const DESCRIPTIONS = { pet: 'Name of the first pet', born: 'Date of birth', zip: 'Postal code' };
const OTHER_KINDS: KnowledgeQuestion[] = [
  { name: 'pet', description: DESCRIPTIONS.pet, kind: 'text' },
  { name: 'born', description: DESCRIPTIONS.born, kind: 'date' },
  { name: 'zip', description: DESCRIPTIONS.zip, kind: 'zip' },
];

const actionsOf = ({ body }: ReceivedResponse): unknown => body['action'];

describe('verify_identity', () => {
  it('encrypts one normalized answer for each question, with the method knowledge', async () => {
    await bed.call('verify_identity', { ...ANSWERS, customer_id: 'cust-1' });
    const [request] = bed.requests;
    expect(request).toMatchObject({ method: 'knowledge', subjectKind: 'id', subjectRef: 'cust-1', tenant: 'acme' });
    expect(await bed.secretOf(request as NonNullable<typeof request>)).toMatchObject({
      answers: { last_four_ssn: '0427', zip_code: '94105' },
      replyKey: expect.stringMatching(/^[\w-]{43}$/) as string,
    });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['nothing', {}, `${SSN}; ${ZIP}`],
    ['one of two', { zip_code: '94105' }, SSN],
    ['too many digits', { ...ANSWERS, last_four_ssn: '042-70-4270' }, SSN],
    ['an ambiguous number', { ...ANSWERS, last_four_ssn: 'soixante douze un deux' }, SSN],
    ['another type', { ...ANSWERS, zip_code: { a: 1 } }, ZIP],
  ])('states the missing answers and their form, and makes no attempt: %s', async (_, args, questions) => {
    const { body } = await bed.call('verify_identity', args);
    expect(body).toEqual({ response: `Something is missing or was not clear. Please give: ${questions}.` });
    expect(bed.requests).toHaveLength(0);
  });

  describe('with a question of every other kind', () => {
    const ANSWERED = { pet: ' Zoë ', born: 'July fourteenth nineteen eighty-five', zip: 'nine four one oh three' };
    const FORMS: Record<string, readonly [pet: string, born: string, zip: string]> = {
      'en-US': ['letters', 'month by name', '5 digits'],
      'es-MX': ['letras', 'mes por su nombre', '5 cifras'],
      'fr-FR': ['lettres', 'mois en toutes lettres', '5 chiffres'],
      'de-DE': ['Buchstaben', 'Monat mit Namen', '5 Ziffern'],
    };
    const call = (args: Record<string, unknown>, agent = 'en-US'): Promise<ReceivedResponse> =>
      bed.send({ body: functionCall('verify_identity', args), authorization: basic(agent.toLowerCase(), PASSWORD) });

    beforeAll(() =>
      bed.publish(
        ...Object.keys(FORMS).map((language) =>
          exampleAgent(language.toLowerCase(), 'acme', PASSWORD, { language, knowledge: { questions: OTHER_KINDS } }),
        ),
      ),
    );

    it('encrypts each answer in its normalized form', async () => {
      await call(ANSWERED);
      expect((await bed.secretOf(bed.requests[0] as NonNullable<(typeof bed.requests)[0]>))['answers']).toEqual({
        pet: 'zoe',
        born: '1985-07-14',
        zip: '94103',
      });
    });

    it.each([
      ['born', '3/4/1985'],
      ['born', '7/14/85'],
      ['born', 'seven fourteen eighty five'],
      ['born', 'February thirtieth 1985'],
      ['zip', '9410'],
      ['zip', 'SW1A 1AA'],
      ['pet', '?!'],
      ['pet', 'x'.repeat(201)],
    ] as const)(
      'states that %s is missing, and makes no attempt, for the malformed answer %s',
      async (name, answer) => {
        const { body } = await call({ ...ANSWERED, [name]: answer });
        expect(body['response']).toMatch(new RegExp(`Please give: ${DESCRIPTIONS[name]} \\([^;]+\\)\\.$`));
        expect(body).not.toHaveProperty('action');
        expect(bed.requests).toHaveLength(0);
      },
    );

    it.each(Object.entries(FORMS))(
      'states the form of each answer in the language %s',
      async (language, [pet, born, zip]) => {
        const { body } = await call({}, language);
        for (const form of [pet, born, zip]) expect(body['response']).toContain(form);
      },
    );
  });

  it('unlocks only the functions of the level identified', async () => {
    bed.decide = () => ({ outcome: 'verified', level: 'identified', subjectId: 'cust-1', verificationId: 'v-1' });
    expect(actionsOf(await bed.call('verify_identity', ANSWERS))).toEqual([
      {
        set_global_data: {
          verified: true,
          customer_id: 'cust-1',
          verification_level: 'identified',
          verification_id: 'v-1',
        },
      },
      { set_meta_data: { receipt: expect.stringMatching(/^e30\./) as string } },
      { toggle_functions: [{ function: 'get_store_hours', active: true }] },
    ]);
  });
});

describe('verification_status', () => {
  it('requests the state of the call for this agent and tenant, and ignores claims in the request', async () => {
    const claims = { global_data: { verified: true, verification_level: 'verified' }, meta_data: { receipt: 'x' } };
    const received = await bed.call('verification_status', { verified: true }, { call_id: 'call-7', ...claims });
    expect(bed.stateRequests).toMatchObject([{ tenant: 'acme', agent: 'desk', callId: 'call-7' }]);
    expect(received.body).toEqual({ response: TEXT.status_none, action: [{ set_global_data: { verified: false } }] });
  });

  it('repeats the actions of a success, because the answer to a keypad entry has none', async () => {
    bed.callState = () => ({ verified: true, level: 'verified', subject: 'cust-1', verificationId: 'v-1' });
    const { body } = await bed.call('verification_status', {});
    expect(body['response']).toBe(TEXT.status_verified);
    expect(body['action']).toEqual([
      {
        set_global_data: {
          verified: true,
          customer_id: 'cust-1',
          verification_level: 'verified',
          verification_id: 'v-1',
        },
      },
      {
        toggle_functions: ['get_store_hours', 'get_balance', 'transfer_funds'].map((name) => ({
          function: name,
          active: true,
        })),
      },
    ]);
  });

  it('reports an unverified caller without a call id, and unavailable without a reply', async () => {
    expect((await bed.call('verification_status', {}, { call_id: '' })).body['response']).toBe(TEXT.status_none);
    expect(bed.stateRequests).toHaveLength(0);
    const shortTimeout = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '50' });
    shortTimeout.callState = () => undefined;
    expect((await shortTimeout.call('verification_status', {})).body).toEqual({ response: TEXT.unavailable });
    await shortTimeout.close();
  });
});

describe('request_transfer', () => {
  const connect = (to: string): unknown => [
    { SWML: { version: '1.0.0', sections: { main: [{ connect: { to } }] } }, transfer: 'true' },
  ];

  it.each([
    ['support', 'sip:support@example.com'],
    ['billing', '+12025550100'],
    [' Billing ', '+12025550100'],
  ])('connects to the destination of the department %j after the agent has spoken', async (department, destination) => {
    const { body } = await bed.call('request_transfer', { department });
    expect(body).toEqual({
      response: `I am connecting you to ${department.trim().toLowerCase()} now.`,
      action: connect(destination),
      post_process: true,
    });
  });

  it.each<[string, unknown]>([
    ['a number', '+19005550100'],
    ['a SIP address', 'sip:thief@example.org'],
    ['a department of another policy', 'sales'],
    ['the name of an inherited member', 'constructor'],
    ['no department', undefined],
    ['a list', ['support']],
    ['an object', { name: 'support' }],
  ])('refuses %s and lists the departments', async (_, department) => {
    const args = { department, dest: '+19005550100', to: 'sip:thief@example.org', connect: { to: '+19005550100' } };
    const { body, text } = await bed.call('request_transfer', args);
    expect(body).toEqual({ response: TEXT.transfer_refused.replace('{departments}', 'support, billing') });
    expect(text).not.toMatch(/19005550100|thief/);
  });

  it('is recorded with caller, call and department before it is answered', async () => {
    const caller_id_num = `${PHONE};verstat=TN-Validation-Passed`;
    await bed.call('request_transfer', { department: 'billing' }, { call_id: 'call-8', caller_id_num });
    await bed.call('request_transfer', { department: CANARY }, { call_id: 'call-8', caller_id_num });
    await eventually('both are published', () => bed.facts.length === 2);
    const common: Partial<FieldsOf<FactRecorded>> = {
      tenant: 'acme',
      agent: 'desk',
      callId: 'call-8',
      channel: 'swaig',
      callerKey: bed.hash.callerKey('acme', 'phone', PHONE),
      callerTail: '23',
      attestation: 'TN-Validation-Passed',
    };
    expect(bed.facts).toMatchObject([
      { ...common, kind: 'transfer.requested', detail: { department: 'billing' } },
      { ...common, kind: 'transfer.refused', detail: { code: 'NOT_LISTED' } },
    ]);
    expect(JSON.stringify(bed.facts)).not.toContain(CANARY);
    expect(JSON.stringify(bed.facts)).not.toContain('5550100');
  });

  it('has the same answer and the same fact when redelivered, and another fact in another session', async () => {
    const body = functionCall('request_transfer', { department: 'support' });
    const [first, second] = [await bed.send({ body }), await bed.send({ body })];
    expect(second.text).toBe(first.text);
    await bed.send({ body: { ...body, ai_session_id: 'another' } });
    await eventually('three are published', () => bed.facts.length === 3);
    expect(bed.facts[1]?.factId).toBe(bed.facts[0]?.factId);
    expect(bed.facts[2]?.factId).not.toBe(bed.facts[0]?.factId);
  });

  it('does not connect the call if it cannot be recorded', async () => {
    const disconnected = await SwaigTestBed.open();
    await disconnected.broker.close();
    const { status, body } = await disconnected.call('request_transfer', { department: 'support' });
    expect([status, body]).toEqual([200, { response: TEXT.unavailable }]);
    await disconnected.service.close().catch(() => undefined);
  });
});
