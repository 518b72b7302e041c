import { refusedTerm } from '../../apps/console/src/pages/audit/typed-terms.js';

const NUMBER = '12025550183';

describe('what is typed to search events', () => {
  const find = (existing: string[]) => (id: string) => Promise.resolve(existing.find((one) => one === id));

  it('becomes part of an address when it can be no telephone number, without a search for the subject', async () => {
    const refuse = (): Promise<string> => Promise.reject(new Error('searched'));
    expect(await refusedTerm({ subject: 'alice', call: 'CA-1f3' }, refuse)).toBeUndefined();
    expect(await refusedTerm({}, undefined)).toBeUndefined();
  });

  it('is refused when it could be a telephone number, except the id of a subject that exists', async () => {
    expect(await refusedTerm({ subject: NUMBER }, find([]))).toEqual({ field: 'subject', why: 'noSubject' });
    expect(await refusedTerm({ subject: NUMBER }, find([NUMBER]))).toBeUndefined();
    expect(await refusedTerm({ subject: `+${NUMBER}` }, undefined)).toEqual({
      field: 'subject',
      why: 'possibleNumber',
    });
    expect(await refusedTerm({ call: NUMBER }, find([NUMBER]))).toEqual({ field: 'call', why: 'possibleNumber' });
  });
});
