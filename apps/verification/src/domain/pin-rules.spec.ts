import { weakness } from './pin-rules.js';

describe('an enrolled PIN', () => {
  it.each(['4071', '90817', '271828', '83729164'])('may be %s', (pin) => expect(weakness(pin)).toBeUndefined());

  it.each([
    ['123', '4 to 8 digits'],
    ['123456789', '4 to 8 digits'],
    ['12a4', '4 to 8 digits'],
    ['１２３４', '4 to 8 digits'],
    ['', '4 to 8 digits'],
    ['1111', 'different digits'],
    ['1212', 'different digits'],
    ['1234', 'count up or down'],
    ['87654321', 'count up or down'],
    ['8901', 'count up or down'],
    ['2468', 'count up or down'],
  ])('may not be %s: the rule is named', (pin, rule) => expect(weakness(pin)).toContain(rule));
});
