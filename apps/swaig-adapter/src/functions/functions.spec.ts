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
  it('seals one normalised answer for each question, under the method knowledge', async () => {
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
    ['what could be two numbers', { ...ANSWERS, last_four_ssn: 'soixante douze un deux' }, SSN],
    ['another type', { ...ANSWERS, zip_code: { a: 1 } }, ZIP],
  ])('asks again for what is missing, says in which form, and spends nothing: %s', async (_, args, questions) => {
    const { body } = await bed.call('verify_identity', args);
    expect(body).toEqual({ response: `Something is missing or was not clear. Please give: ${questions}.` });
    expect(bed.requests).toHaveLength(0);
  });

  describe('with a question of every other kind', () => {
    const GIVEN = { pet: ' Zoë ', born: 'July fourteenth nineteen eighty-five', zip: 'nine four one oh three' };
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

    it('seals each answer in the form in which it is compared', async () => {
      await call(GIVEN);
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
    ] as const)('asks for %s again instead of spending a try on what could match nothing: %s', async (name, said) => {
      const { body } = await call({ ...GIVEN, [name]: said });
      expect(body['response']).toMatch(new RegExp(`Please give: ${DESCRIPTIONS[name]} \\([^;]+\\)\\.$`));
      expect(body).not.toHaveProperty('action');
      expect(bed.requests).toHaveLength(0);
    });

    it.each(Object.entries(FORMS))('says the form of each in the language %s', async (language, [pet, born, zip]) => {
      const { body } = await call({}, language);
      for (const form of [pet, born, zip]) expect(body['response']).toContain(form);
    });
  });

  it('unlocks what the level of knowledge unlocks, and nothing more', async () => {
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
  it('asks for the call of this agent and tenant, and believes nothing that the request says of it', async () => {
    const claims = { global_data: { verified: true, verification_level: 'verified' }, meta_data: { receipt: 'x' } };
    const received = await bed.call('verification_status', { verified: true }, { call_id: 'call-7', ...claims });
    expect(bed.stateRequests).toMatchObject([{ tenant: 'acme', agent: 'desk', callId: 'call-7' }]);
    expect(received.body).toEqual({ response: TEXT.status_none, action: [{ set_global_data: { verified: false } }] });
  });

  it('repeats the marks of a success, because a keypad entry could set none', async () => {
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

  it('says that nobody is verified when the platform names no call, and that it cannot know without an answer', async () => {
    expect((await bed.call('verification_status', {}, { call_id: '' })).body['response']).toBe(TEXT.status_none);
    expect(bed.stateRequests).toHaveLength(0);
    const hasty = await SwaigTestBed.open({ REPLY_TIMEOUT_MS: '50' });
    hasty.callState = () => undefined;
    expect((await hasty.call('verification_status', {})).body).toEqual({ response: TEXT.unavailable });
    await hasty.close();
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
  ])('connects %j to the destination of the policy, after the agent has said so', async (department, destination) => {
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
    ['a member of the language', 'constructor'],
    ['nothing', undefined],
    ['a list', ['support']],
    ['an object', { name: 'support' }],
  ])('refuses %s, and says what there is', async (_, department) => {
    const args = { department, dest: '+19005550100', to: 'sip:thief@example.org', connect: { to: '+19005550100' } };
    const { body, text } = await bed.call('request_transfer', args);
    expect(body).toEqual({ response: TEXT.transfer_refused.replace('{departments}', 'support, billing') });
    expect(text).not.toMatch(/19005550100|thief/);
  });

  it('is on record before it is answered: who asked, in which call, for what', async () => {
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

  it('delivered again is the same answer and the same fact; of another session it is another', async () => {
    const body = functionCall('request_transfer', { department: 'support' });
    const [first, second] = [await bed.send({ body }), await bed.send({ body })];
    expect(second.text).toBe(first.text);
    await bed.send({ body: { ...body, ai_session_id: 'another' } });
    await eventually('three are published', () => bed.facts.length === 3);
    expect(bed.facts[1]?.factId).toBe(bed.facts[0]?.factId);
    expect(bed.facts[2]?.factId).not.toBe(bed.facts[0]?.factId);
  });

  it('that cannot be put on record does not happen', async () => {
    const cut = await SwaigTestBed.open();
    await cut.broker.close();
    const { status, body } = await cut.call('request_transfer', { department: 'support' });
    expect([status, body]).toEqual([200, { response: TEXT.unavailable }]);
    await cut.service.close().catch(() => undefined);
  });
});
