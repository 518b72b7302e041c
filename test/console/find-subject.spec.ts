import { couldBeNumber } from '../../apps/console/src/api/possible-number.js';
import { ApiProblem } from '../../apps/console/src/api/problem.js';
import { findSubject } from '../../apps/console/src/pages/subjects/find-subject.js';

type Find = (text: string) => Promise<string | undefined>;

/** What was searched, in order. */
function searchOf(ids: readonly string[], numbers: Readonly<Record<string, string>> = {}) {
  const searched: string[] = [];
  const record =
    (as: string, find: (text: string) => string | undefined): Find =>
    (text) => {
      searched.push(`${as} ${text}`);
      return Promise.resolve(find(text));
    };
  const byId = record('id', (id) => ids.find((one) => one === id));
  return { searched, byId, byNumber: record('number', (phone) => numbers[phone]) };
}

describe('the search for a subject', () => {
  it.each(['+1 202 555 0100', '(202) 555-0100', '202 555 0100', 'tel:+12025550100', 'müller'])(
    'takes "%s" for a number, never for an id',
    async (term) => {
      const search = searchOf([term]);
      expect(await findSubject(term, search)).toBeUndefined();
      expect(search.searched).toEqual([`number ${term}`]);
    },
  );

  it('opens nothing that was typed unless a subject with exactly that id exists', async () => {
    for (const term of ['alice@example.com', '12025550100', '1.202.555.0100', '00000000', 'c-1']) {
      expect(await findSubject(term, searchOf([]))).toBeUndefined();
      expect(await findSubject(term, searchOf([term]))).toBe(term);
    }
  });

  it('searches digits as a number first', async () => {
    const search = () => searchOf(['12025550100', '10000001'], { '+12025550100': 'alice' });
    expect(await findSubject('12025550100', search())).toBe('alice');
    expect(await findSubject('0012025550100', search())).toBe('alice');
    expect(await findSubject('10000001', search())).toBe('10000001');
  });

  it('searches digits that are no possible number as an id, and throws every other problem', async () => {
    const refuse = (status: number) => () => Promise.reject(new ApiProblem(status, 'refused', ''));
    const { byId } = searchOf(['00000000']);
    expect(await findSubject('00000000', { byId, byNumber: refuse(422) })).toBe('00000000');
    await expect(findSubject('00000000', { byId, byNumber: refuse(503) })).rejects.toMatchObject({ status: 503 });
  });
});

describe('a text that could be a telephone number', () => {
  it.each([
    '+12025550100',
    '12025550100',
    ' 0202/555 01-00',
    '1_202_555_0100',
    'tel:2025550100',
    'sip:+12025550100@host',
    '٠١٢٣٤٥٦٧',
  ])('is "%s"', (text) => expect(couldBeNumber(text)).toBe(true));

  it.each(['alice', 'c-1', 'customer-12025550100', '123456', 'alice@12025550100', ''])('is not "%s"', (text) =>
    expect(couldBeNumber(text)).toBe(false),
  );
});
