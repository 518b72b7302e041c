import { ApiProblem } from '../../apps/console/src/api/problem.js';
import { findSubject } from '../../apps/console/src/pages/subjects/find-subject.js';

describe('the search for a subject', () => {
  it.each(['+1 202 555 0100', '(202) 555-0100', '202 555 0100', 'tel:+12025550100', 'müller'])(
    'takes "%s" for a number, never for an id, which would be part of an address',
    async (term) => {
      const searched: string[] = [];
      const found = await findSubject(term, (phone) => {
        searched.push(phone);
        return Promise.resolve(undefined);
      });
      expect({ searched, found }).toEqual({ searched: [term], found: undefined });
    },
  );

  it('opens an id without a search for a number', async () => {
    const refuse = (): Promise<string | undefined> => Promise.reject(new Error('searched'));
    expect(await findSubject('alice@example.com', refuse)).toBe('alice@example.com');
  });

  it('searches digits as a number first, and opens them as an id when no subject has the number', async () => {
    const numbers = new Map([['+12025550100', 'alice']]);
    const find = (phone: string): Promise<string | undefined> => Promise.resolve(numbers.get(phone));
    expect(await findSubject('12025550100', find)).toBe('alice');
    expect(await findSubject('0012025550100', find)).toBe('alice');
    expect(await findSubject('10000001', find)).toBe('10000001');
  });

  it('opens digits that are no possible number as an id, and throws every other problem', async () => {
    const refuse = (status: number) => () => Promise.reject(new ApiProblem(status, 'refused', ''));
    expect(await findSubject('00000000', refuse(422))).toBe('00000000');
    await expect(findSubject('00000000', refuse(503))).rejects.toMatchObject({ status: 503 });
  });
});
