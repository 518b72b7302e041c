import fc from 'fast-check';
import { sha256 } from '@countersign/crypto';
import { SystemClock } from '@countersign/runtime';
import { AuthenticateAgent } from './authenticate-agent.js';
import { exampleAgent } from '../../test/test-policy.js';
import { Agents } from '../swaig-adapter.ports.js';

/** Knows one agent. */
class OneAgent extends Agents {
  constructor(private readonly password: string) {
    super();
  }

  override agent(agent: string): ReturnType<Agents['agent']> {
    return agent === 'desk' ? exampleAgent('desk', 'acme', this.password) : undefined;
  }

  override agentByPassword(agent: string, password: string): ReturnType<Agents['agentByPassword']> {
    const desk = exampleAgent('desk', 'acme', this.password);
    return agent === desk.agent && desk.passwords[0]?.hash === sha256(password) ? desk : undefined;
  }
}

const encode = (text: string): string => Buffer.from(text).toString('base64');
const authenticate = (password: string, header: string | undefined): string | undefined =>
  new AuthenticateAgent(new OneAgent(password), new SystemClock()).authenticate(header)?.agent.agent;

describe('AuthenticateAgent', () => {
  it.each(['Basic', 'basic', 'BASIC', 'bAsIc'])('accepts the scheme written as %s', (scheme) => {
    expect(authenticate('secret', `${scheme} ${encode('desk:secret')}`)).toBe('desk');
  });

  it('splits at the first colon and reads UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (password) => {
        expect(authenticate(`a:${password}:ß`, `Basic ${encode(`desk:a:${password}:ß`)}`)).toBe('desk');
      }),
    );
  });

  it.each<[string, string | undefined]>([
    ['no header', undefined],
    ['an empty header', ''],
    ['another scheme', 'Bearer c2VjcmV0'],
    ['a scheme without credentials', 'Basic'],
    ['text that is not base64', 'Basic !!!'],
    ['no colon', `Basic ${encode('desk')}`],
    ['a wrong password', `Basic ${encode('desk:Secret')}`],
    ['an empty password', `Basic ${encode('desk:')}`],
    ['an unknown agent', `Basic ${encode('nobody:secret')}`],
    ['an agent with a space', `Basic ${encode(' desk:secret')}`],
    ['two headers in one', `Basic ${encode('desk:secret')}, Basic ${encode('desk:secret')}`],
    ['a very long header', `Basic ${'A'.repeat(100_000)}`],
  ])('refuses %s', (_, header) => {
    expect(authenticate('secret', header)).toBeUndefined();
  });
});
