import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { FUNCTIONS } from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/crypto';
import { exampleAgent } from '../../test/test-policy.js';
import { defineFunctions, type FunctionDefinition } from './function-definitions.js';

const KEY = new Secret(randomBytes(32).toString('base64url'));
const CREDENTIALS = { agent: 'desk', password: 'p:w/ß' };
const agent = exampleAgent('desk', 'acme', CREDENTIALS.password);

function define(names: string[], of = agent): FunctionDefinition[] {
  return defineFunctions(of, names, CREDENTIALS, 'https://verify.example.com', new KeyedHash(KEY));
}

describe('defineFunctions', () => {
  it('returns all fields that the platform needs to register and call a function', () => {
    expect(define(['verify_pin'])).toEqual([
      {
        function: 'verify_pin',
        description: expect.stringMatching(/PIN/) as string,
        parameters: {
          type: 'object',
          properties: {
            pin: { type: 'string', description: expect.stringMatching(/4 to 8/) as string },
            customer_id: { type: 'string', description: expect.stringMatching(/only if/) as string },
          },
          required: ['pin'],
        },
        web_hook_url: 'https://verify.example.com/swaig',
        web_hook_auth_user: 'desk',
        web_hook_auth_password: 'p:w/ß',
        meta_data_token: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        fillers: expect.objectContaining({ 'en-US': ['One moment while I check that.'] }) as object,
      },
    ]);
  });

  it('returns only the requested functions, and all functions if the request names none', () => {
    expect(define(['verify_pin', 'check_kba']).map((one) => one.function)).toEqual(['verify_pin']);
    expect(define(['check_kba'])).toEqual([]);
    expect(define([]).map((one) => one.function)).toEqual([...FUNCTIONS]);
  });

  it('omits functions that the policy does not allow or that have no questions or destinations', () => {
    expect(define([], exampleAgent('desk', 'acme', 'x', { functions: [] }))).toEqual([]);
    const bare = exampleAgent('desk', 'acme', 'x', { transfers: {}, knowledge: { questions: [] } });
    expect(define([...FUNCTIONS], bare).map((one) => one.function)).toEqual([
      'verify_pin',
      'verification_status',
      'collect_pin',
    ]);
  });

  it('takes questions and departments from the policy', () => {
    const [identity, transfer] = define(['verify_identity', 'request_transfer']);
    expect(identity?.parameters).toEqual({
      type: 'object',
      properties: {
        last_four_ssn: {
          type: 'string',
          description: 'Last four digits of the SSN (exactly 4 digits, leading zeros included)',
        },
        zip_code: { type: 'string', description: 'Billing ZIP code (exactly 5 digits, leading zeros included)' },
        customer_id: { type: 'string', description: expect.stringMatching(/only if/) as string },
      },
      required: ['last_four_ssn', 'zip_code'],
    });
    expect(transfer?.parameters.properties['department']?.enum).toEqual(['support', 'billing']);
    expect(JSON.stringify(transfer)).not.toMatch(/sip:|\+1202/);
  });

  it.each([
    ['digits', 'digits only'],
    ['zip', '5 digits'],
    ['date', 'a date as YYYY-MM-DD'],
    ['text', 'as the caller says it'],
  ] as const)('states the required form of an answer of the kind %s: %s', (kind, form) => {
    const questions = [{ name: 'asked', description: 'What is asked', kind }];
    const [identity] = define(['verify_identity'], exampleAgent('desk', 'acme', 'x', { knowledge: { questions } }));
    expect(identity?.parameters.properties['asked']?.description).toContain(`What is asked (${form}`);
  });

  it('returns the members that the platform documents, and one token for all functions of an agent', () => {
    const file = new URL('../../samples/resp-get_signature-array.json', import.meta.url);
    const [documented] = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>[];
    const members = Object.keys(documented ?? {}).filter((name) => name !== 'meta_data');
    for (const definition of define([])) expect(Object.keys(definition)).toEqual(expect.arrayContaining(members));
    expect(new Set(define([]).map((one) => one.meta_data_token)).size).toBe(1);
  });

  it('returns the same token for an agent after a restart, and a different token for each agent', () => {
    const token = (of: typeof agent): string | undefined => define([], of)[0]?.meta_data_token;
    expect(token(agent)).toBe(token(exampleAgent('desk', 'acme', 'another')));
    const others = [
      exampleAgent('desk', 'acme2', 'x'),
      exampleAgent('des', 'acmek', 'x'),
      exampleAgent('bar', 'acme', 'x'),
    ];
    expect(new Set([agent, ...others].map(token)).size).toBe(4);
  });
});
