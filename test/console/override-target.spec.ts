import { isNamed, targetOf, type ShownRefusal } from '../../apps/console/src/pages/attacks/override-target.js';

const refused = (party: Partial<ShownRefusal>): ShownRefusal => ({
  ...{ tenant: 'acme', dimension: 'caller', count: 3, last: '2030-01-01T00:00:00.000Z' },
  ...party,
});

describe('an override from the attacks', () => {
  it('names the party that the limit counts by', () => {
    const party = refused({ dimension: 'agent', agent: 'reception', callId: 'call-1' });
    expect(targetOf(party)).toEqual({ dimension: 'agent', agent: 'reception' });
    expect(isNamed(party)).toBe(true);
  });

  it.each(['caller', 'subjectsPerCaller', 'subject', 'call', 'agent'] as const)(
    'is not offered for the limit by %s when no event names the party: it would be in force for everybody',
    (dimension) => {
      expect(isNamed(refused({ dimension }))).toBe(false);
    },
  );

  it('is offered for the limit of the tenant, which has no party', () => {
    expect(isNamed(refused({ dimension: 'tenant' }))).toBe(true);
  });
});
