import { describe, expect, it } from '@jest/globals';
import { NAME_PATTERN, SUBJECT_PATTERN } from '@countersign/contracts';
import fc from 'fast-check';
import {
  AgentBody,
  KnowledgeBody,
  PinBody,
  PinChangeBody,
  SubjectBody,
  TenantBody,
  VerificationBody,
} from './bodies.js';
import { Problem } from '../http/problems.js';
import { readBody, readName, type Body } from '../http/read-body.js';

function faults(type: new () => Body, raw: unknown): string[] {
  try {
    readBody(type, raw);
    return [];
  } catch (error) {
    return ((error as Problem).violations ?? []).map((violation) => violation.field);
  }
}

describe('bodies', () => {
  it('takes exactly the PINs of 4 to 8 ASCII digits', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9]{0,12}$/), fc.string({ unit: 'grapheme' })), (pin) => {
        expect(faults(PinBody, { pin })).toEqual(/^[0-9]{4,8}$/.test(pin) ? [] : ['pin']);
      }),
    );
  });

  it('takes exactly the agent names of the contract', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9_-]{1,66}$/)), (agent) => {
        expect(faults(AgentBody, { agent })).toEqual(NAME_PATTERN.test(agent) ? [] : ['agent']);
      }),
    );
  });

  it('never quotes a value', () => {
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
        readBody<Body>(body, raw);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(Problem);
      expect(JSON.stringify((caught as Problem).violations) + String(caught)).not.toContain(canary);
    }
  });

  it('is not misled by fields that every object has', () => {
    for (const field of ['constructor', 'toString', 'hasOwnProperty', 'rules']) {
      expect(faults(PinBody, { pin: '4821', [field]: 'x' })).toEqual([field]);
      expect(faults(PinBody, { pin: '1', [field]: 'x' }).sort()).toEqual([field, 'pin'].sort());
    }
    expect(faults(PinBody, Object.create({ pin: '4821' }))).toEqual(['pin']);
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
  ])('takes answers by the names of questions: %j (%#)', (answers, fields) => {
    expect(faults(KnowledgeBody, { answers })).toEqual(fields);
    expect(faults(VerificationBody, { method: 'knowledge', subject: 'c-1', answers })).toEqual(fields);
  });

  it('names each number that is none', () => {
    expect(faults(SubjectBody, { phones: ['+12025550147', '', null, 'sip:a@b.example', '0202555'] })).toEqual([
      'phones[1]',
      'phones[2]',
      'phones[3]',
      'phones[4]',
    ]);
  });

  it.each(['en', 'en-US', 'zh-Hant-TW', 'de-CH-1996'])('takes the language %s', (locale) => {
    expect(faults(SubjectBody, { locale })).toEqual([]);
  });

  it.each(['', 'e', 'english', 'en_US', 'en-', `en${'-abcdefgh'.repeat(4)}`])('refuses the language %j', (locale) => {
    expect(faults(SubjectBody, { locale })).toEqual(['locale']);
  });

  it('counts the characters of a name, not its bytes, and refuses halves of them', () => {
    expect(faults(TenantBody, { name: '😀'.repeat(200) })).toEqual([]);
    expect(faults(TenantBody, { name: '😀'.repeat(201) })).toEqual(['name']);
    expect(faults(TenantBody, { name: '\ud83d' })).toEqual(['name']);
  });

  it('refuses a name of the path with its field', () => {
    expect(readName('subject', 'a@b', SUBJECT_PATTERN, 'must be an id')).toBe('a@b');
    expect(() => readName('subject', 'a/b', SUBJECT_PATTERN, 'must be an id')).toThrow(Problem);
  });
});
