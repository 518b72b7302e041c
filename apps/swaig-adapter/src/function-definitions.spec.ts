import { randomBytes } from 'node:crypto';
import { FUNCTIONS } from '@countersign/contracts';
import { KeyedHash, Secret } from '@countersign/sealing';
import { exampleAgent } from './test-policy.js';
import { defineFunctions, OFFERED, type FunctionDefinition } from './function-definitions.js';

const KEY = new Secret(randomBytes(32).toString('base64url'));
const CREDENTIALS = { agent: 'desk', password: 'p:w/ß' };
const agent = exampleAgent('desk', 'acme', CREDENTIALS.password);

function define(names: string[], of = agent): FunctionDefinition[] {
  return defineFunctions(of, names, CREDENTIALS, 'https://verify.example.com', new KeyedHash(KEY));
}

describe('defineFunctions', () => {
  it('gives the platform everything without which it drops a function or cannot call it', () => {
    expect(define([])).toEqual([
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
        fillers: { 'en-US': ['One moment while I check that.'] },
      },
    ]);
  });

  it('gives only what was asked for, and everything when nothing was', () => {
    expect(define(['verify_pin', 'check_kba']).map((one) => one.function)).toEqual(['verify_pin']);
    expect(define(['check_kba'])).toEqual([]);
    expect(define([]).map((one) => one.function)).toEqual(OFFERED);
  });

  it('gives nothing that the policy does not allow, and nothing that is not there yet', () => {
    expect(define([], exampleAgent('desk', 'acme', 'x', { functions: [] }))).toEqual([]);
    expect(define([...FUNCTIONS]).map((one) => one.function)).toEqual(['verify_pin']);
  });

  it('keeps the token of an agent over restarts, and gives each agent its own', () => {
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
