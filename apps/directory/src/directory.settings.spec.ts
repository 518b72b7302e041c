import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInstancePolicy } from './directory.settings.js';

describe("the instance's policy file", () => {
  let file: string;
  beforeAll(() => {
    file = join(mkdtempSync(join(tmpdir(), 'countersign-policy-')), 'policy.json');
  });
  afterAll(() => rmSync(join(file, '..'), { recursive: true }));

  const reading = (content: string): (() => unknown) => {
    writeFileSync(file, content);
    return () => readInstancePolicy(file);
  };

  it('may begin with a byte order mark', () => {
    expect(reading('\ufeff{"greetByName":false}')()).toEqual({ greetByName: false });
  });

  it.each([
    [
      'half of a surrogate pair',
      '{"texts":{"en":{"verified":"\\ud800"}}}',
      /policy\.texts\.en\.verified must not hold/,
    ],
    ['NUL', '{"transfers":{"a\\u0000":"sip:a@example.com"}}', /policy\.transfers has a field whose name must not hold/],
    ['a question that is named like an argument', questionNamed('customer_id'), /questions\[0\]\.name/],
    ['a question that is named like a member of every object', questionNamed('constructor'), /questions\[0\]\.name/],
    ['what is no JSON', '{', /must name a readable JSON file/],
    ['what is no object', '[]', /policy must be a JSON object/],
    ['null', 'null', /policy must be a JSON object/],
  ])('is refused with %s', (_what, content, message) => {
    expect(reading(content)).toThrow(message);
  });
});

function questionNamed(name: string): string {
  return JSON.stringify({ knowledge: { questions: [{ name, description: 'x', kind: 'text' }] } });
}
