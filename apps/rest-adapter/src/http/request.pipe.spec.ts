import { describe, expect, it } from '@jest/globals';
import { Problem, RequestPipe, SubjectPath } from '@countersign/api';
import { NAME_PATTERN } from '@countersign/contracts';
import fc from 'fast-check';
import { KnowledgeBody, PinBody, SubjectBody } from '../management/subjects/subjects.dto.js';
import { AgentBody, RotateBody, TenantBody } from '../management/tenants/tenants.dto.js';
import { PinChangeBody, VerificationBody } from '../verifications/verifications.dto.js';

const pipe = new RequestPipe();

/** The fields of the violations. */
async function violated(metatype: new () => object, raw: unknown, type: 'body' | 'param' = 'body'): Promise<string[]> {
  try {
    await pipe.transform(raw, { type, metatype });
    return [];
  } catch (error) {
    return ((error as Problem).violations ?? []).map((violation) => violation.field);
  }
}

describe('RequestPipe', () => {
  it('accepts exactly the PINs of 4 to 8 ASCII digits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{0,12}$/), fc.string({ unit: 'grapheme' })),
        async (pin) => {
          expect(await violated(PinBody, { pin })).toEqual(/^[0-9]{4,8}$/.test(pin) ? [] : ['pin']);
        },
      ),
    );
  });

  it('accepts exactly the agent names of the contract', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9_-]{1,66}$/)), async (agent) => {
        expect(await violated(AgentBody, { agent })).toEqual(NAME_PATTERN.test(agent) ? [] : ['agent']);
      }),
    );
  });

  it('never quotes a value in a violation', async () => {
    const canary = 'canary-73918264';
    const bodies = [AgentBody, PinBody, PinChangeBody, KnowledgeBody, SubjectBody, TenantBody, VerificationBody];
    const raw = Object.fromEntries(
      [
        ...[
          'agent',
          'name',
          'policy',
          'phones',
          'displayName',
          'locale',
          'pin',
          'method',
          'subject',
          'phone',
          'callId',
        ],
        ...['currentPin', 'newPin', 'forceChange', 'answers'],
      ].map((field) => [field, field === 'phones' ? [`${canary} x`] : `${canary}\n`]),
    );
    for (const body of bodies) {
      let caught: unknown;
      try {
        await pipe.transform(raw, { type: 'body', metatype: body });
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(Problem);
      expect(JSON.stringify((caught as Problem).violations) + String(caught)).not.toContain(canary);
    }
  });

  it('refuses unknown fields that are named like members of every object', async () => {
    for (const field of ['constructor', 'toString', 'hasOwnProperty', 'rules']) {
      expect(await violated(PinBody, { pin: '4821', [field]: 'x' })).toEqual([field]);
      expect((await violated(PinBody, { pin: '1', [field]: 'x' })).sort()).toEqual([field, 'pin'].sort());
    }
    expect(await violated(PinBody, Object.create({ pin: '4821' }))).toEqual(['pin']);
  });

  it.each([
    [{ zip: '94103' }, []],
    [{ zip: '94103', pet: 'Rex der Große' }, []],
    [{}, ['answers']],
    [Object.fromEntries(Array.from({ length: 11 }, (_, n) => [`q${n}`, 'x'])), ['answers']],
    [[], ['answers']],
    ['94103', ['answers']],
    [{ zip: 94103, pet: '' }, ['answers.zip', 'answers.pet']],
    [{ zip: '9'.repeat(201) }, ['answers.zip']],
    [{ zip: '94103\u0000' }, ['answers.zip']],
    [{ 'canary 73918264': 'x' }, ['answers']],
  ])('checks the names and the form of answers: %j (%#)', async (answers, fields) => {
    expect(await violated(KnowledgeBody, { answers })).toEqual(fields);
    expect(await violated(VerificationBody, { method: 'knowledge', subject: 'c-1', answers })).toEqual(fields);
  });

  it('names each entry of phones that is not a possible telephone number', async () => {
    expect(await violated(SubjectBody, { phones: ['+12025550147', '', null, 'sip:a@b.example', '0202555'] })).toEqual([
      'phones[1]',
      'phones[2]',
      'phones[3]',
      'phones[4]',
    ]);
  });

  it.each(['en', 'en-US', 'zh-Hant-TW', 'de-CH-1996'])('accepts the language tag %s', async (locale) => {
    expect(await violated(SubjectBody, { locale })).toEqual([]);
  });

  it.each(['', 'e', 'english', 'en_US', 'en-', `en${'-abcdefgh'.repeat(4)}`])(
    'refuses the language tag %j',
    async (locale) => {
      expect(await violated(SubjectBody, { locale })).toEqual(['locale']);
    },
  );

  it('counts the characters of a name, not its bytes, and refuses half of a surrogate pair', async () => {
    expect(await violated(TenantBody, { name: '😀'.repeat(200) })).toEqual([]);
    expect(await violated(TenantBody, { name: '😀'.repeat(201) })).toEqual(['name']);
    expect(await violated(TenantBody, { name: '\ud83d' })).toEqual(['name']);
  });

  it('checks the parameters of a path', async () => {
    expect(await violated(SubjectPath, { tenant: 'acme', subject: 'a@b' }, 'param')).toEqual([]);
    expect(await violated(SubjectPath, { tenant: 'Acme', subject: 'a/b' }, 'param')).toEqual(['subject', 'tenant']);
  });

  it('takes a missing body for an empty object only where the class allows it', async () => {
    expect(await violated(RotateBody, undefined)).toEqual([]);
    expect(await violated(RotateBody, null)).toEqual(['body']);
    expect(await violated(SubjectBody, undefined)).toEqual(['body']);
  });

  it('keeps every field of a policy for the directory, which refuses the forbidden ones', async () => {
    const policy = { texts: { constructor: { prototype: 'x' } } };
    const body = await pipe.transform({ name: 'Acme', policy }, { type: 'body', metatype: TenantBody });
    expect(body).toMatchObject({ policy });
  });
});
