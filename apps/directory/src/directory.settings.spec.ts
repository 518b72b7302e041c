import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInstallationPolicy } from './directory.settings.js';

describe("the installation's policy file", () => {
  let file: string;
  beforeAll(() => {
    file = join(mkdtempSync(join(tmpdir(), 'countersign-policy-')), 'policy.json');
  });
  afterAll(() => rmSync(join(file, '..'), { recursive: true }));

  const read = (content: string): (() => unknown) => {
    writeFileSync(file, content);
    return () => readInstallationPolicy(file);
  };

  it('may begin with a byte order mark', () => {
    expect(read('\ufeff{"greetByName":false}')()).toEqual({
      ...{ policy: { greetByName: false }, mayLoosen: [] },
    });
  });

  it('may name what tenants may loosen, which is no part of the policy', () => {
    expect(read('{"verifiedSeconds":60,"mayLoosen":["limits","attempts"]}')()).toEqual({
      ...{ policy: { verifiedSeconds: 60 }, mayLoosen: ['limits', 'attempts'] },
    });
  });

  it.each([
    [
      'half of a surrogate pair',
      '{"texts":{"en":{"verified":"\\ud800"}}}',
      /policy\.texts\.en\.verified must not hold/,
    ],
    ['NUL', '{"transfers":{"a\\u0000":"sip:a@example.com"}}', /policy\.transfers has a field whose name must not hold/],
    ['a question with the name of an argument', questionNamed('customer_id'), /questions\[0\]\.name/],
    ['a question with the name of a member of every object', questionNamed('constructor'), /questions\[0\]\.name/],
    ['invalid JSON', '{', /must name a readable JSON file/],
    ['a list in place of an object', '[]', /policy must be a JSON object/],
    ['null', 'null', /policy must be a JSON object/],
    ['a field that nobody may loosen', '{"mayLoosen":["transfers"]}', /mayLoosen must be a list/],
    ['one field in place of a list', '{"mayLoosen":"limits"}', /mayLoosen must be a list/],
  ])('is refused when it holds %s', (_what, content, message) => {
    expect(read(content)).toThrow(message);
  });
});

function questionNamed(name: string): string {
  return JSON.stringify({ knowledge: { questions: [{ name, description: 'x', kind: 'text' }] } });
}
