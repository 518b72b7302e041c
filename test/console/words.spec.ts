import { readFileSync } from 'node:fs';
import { enWords } from '../../apps/console/src/texts/en-words.js';
import { labelOf } from '../../apps/console/src/texts/label.js';

interface Document {
  readonly components: { readonly schemas: Readonly<Record<string, { readonly properties: Record<string, Schema> }>> };
  readonly paths: Readonly<
    Record<
      string,
      { readonly get: { readonly parameters: readonly { readonly name: string; readonly schema: Schema }[] } }
    >
  >;
}
interface Schema {
  readonly enum?: readonly (string | null)[];
  readonly items?: Schema;
}
const document = JSON.parse(readFileSync(new URL('../../docs/openapi.json', import.meta.url), 'utf8')) as Document;
const wordsOf = (schema: string, field: string): readonly (string | null)[] => {
  const found = document.components.schemas[schema]?.properties[field];
  return found?.enum ?? found?.items?.enum ?? [];
};

it.each([
  ['states', wordsOf('TenantState', 'state')],
  ['states', wordsOf('ApiKeyState', 'state')],
  ['states', wordsOf('WebhookState', 'state')],
  ['scopes', wordsOf('ApiKeyState', 'scopes')],
  ['disabledReasons', wordsOf('WebhookState', 'disabledReason')],
  ['deliveryFaults', wordsOf('DeliveryAttemptState', 'error')],
  ['kinds', document.paths['/v1/events']?.get.parameters.find(({ name }) => name === 'type')?.schema.enum ?? []],
] as const)('has a text for all %s of the API: %j', (group, words) => {
  expect(words.length).toBeGreaterThan(1);
  expect(words.filter((word) => word !== null && !(word in enWords[group]))).toEqual([]);
});

it('shows a word of a newer version in plain letters, also one that is the name of a field of every object', () => {
  expect(labelOf(enWords.outcomes, 'PIN_MISMATCH')).toBe('Wrong PIN');
  expect(labelOf(enWords.outcomes, 'VOICE_MISMATCH')).toBe('voice mismatch');
  expect(labelOf(enWords.kinds, 'voice.enrolled_again')).toBe('voice enrolled again');
  expect(labelOf(enWords.kinds, 'constructor')).toBe('constructor');
});
