import fc from 'fast-check';
import { SUBJECT_PATTERN } from '@countersign/contracts';
import { isPlaceholder } from '@countersign/normalization';
import { readCustomerId } from './customer-id.js';

describe('readCustomerId', () => {
  it('returns a valid id unchanged', () => {
    const ids = fc.stringMatching(SUBJECT_PATTERN).filter((id) => !isPlaceholder(id));
    fc.assert(fc.property(ids, (id) => expect(readCustomerId(id)).toEqual({ kind: 'given', id })));
    for (const id of ['four', 'oh', 'eight-zero', 'cust-1', '1.5', '80412.0', 'pat@example.com', 'double', 'pin']) {
      expect(readCustomerId(id)).toEqual({ kind: 'given', id });
    }
  });

  it.each<[unknown, string]>([
    ['8 0 4 1 2', '80412'],
    ['eight zero four one two', '80412'],
    ['Eight, oh, four, one, two.', '80412'],
    ['\uff18\uff10\uff14\uff11\uff12', '80412'],
    ['\u0668\u0660\u0664\u0661\u0662', '80412'],
    ['80412.', '80412'],
    ['80412#', '80412'],
    ['"80412"', '80412'],
    ['[80412]', '80412'],
    ['\u200e80412\u200f', '80412'],
    ['customer number 8 0 4 1 2', '80412'],
    ['ocho cero cuatro uno dos', '80412'],
    ['huit z\u00e9ro quatre un deux', '80412'],
    ['acht null vier eins zwo', '80412'],
    ['cust-7.', 'cust-7'],
    ["'cust-7'", 'cust-7'],
    ['\uff23\uff35\uff33\uff34\uff0d\uff17', 'CUST-7'],
    ['9007199254740993', '9007199254740993'],
    [80412, '80412'],
    [0, '0'],
  ])('reads %j as %s', (value, id) => expect(readCustomerId(value)).toEqual({ kind: 'given', id }));

  it.each([undefined, null, false, '', ' ', 'null', 'None', 'N/A', 'unknown', '-', '{}', '<customer_id>', {}, []])(
    'treats %j as absent',
    (value) => expect(readCustomerId(value)).toEqual({ kind: 'none' }),
  );

  it.each([
    0.5,
    1.5,
    -1,
    2 ** 53,
    1e21,
    Number.NaN,
    true,
    ['80412'],
    { id: '80412' },
    'soixante douze',
    'forty 2',
    '8 0,0',
  ])('reports a value that could be another id as unclear: %j', (value) =>
    expect(readCustomerId(value)).toEqual({ kind: 'unclear' }),
  );

  it.each(["' or 1=1", '+12025550123', '../etc', 'x'.repeat(200), 'my name is Pat'])(
    'returns a text that no subject can have as its id unchanged: %j',
    (id) => expect(readCustomerId(id)).toEqual({ kind: 'given', id }),
  );
});
