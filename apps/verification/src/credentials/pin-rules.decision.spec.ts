import { ownDataWeakness, weakness } from './pin-rules.decision.js';

const ofFourDigits = Array.from({ length: 10_000 }, (_, n) => String(n).padStart(4, '0'));

describe('an enrolled PIN', () => {
  it.each([
    '4271',
    '8305',
    '4071',
    '0427',
    '9163',
    '90817',
    '48213',
    '482139',
    '271828',
    '83729164',
    '19283746',
    '42718305',
  ])('may be %s', (pin) => expect(weakness(pin)).toBeUndefined());

  it.each([
    ['123', '4 to 8 digits'],
    ['123456789', '4 to 8 digits'],
    ['12a4', '4 to 8 digits'],
    ['１２３４', '4 to 8 digits'],
    ['4271\n', '4 to 8 digits'],
    ['', '4 to 8 digits'],
    ['1111', 'different digits'],
    ['1212', 'different digits'],
    ['1221', 'different digits'],
    ['48000', 'three times in a row'],
    ['11122248', 'three times in a row'],
    ['408408', 'repeat a group'],
    ['42714271', 'repeat a group'],
    ['484848', 'different digits'],
    ['1234', 'count up or down'],
    ['87654321', 'count up or down'],
    ['8901', 'count up or down'],
    ['1098', 'count up or down'],
    ['2468', 'count up or down'],
    ['9753', 'count up or down'],
    ['0369', 'count up or down'],
    ['1123', 'count up or down'],
    ['112233', 'count up or down'],
    ['81234', 'count up or down'],
    ['765428', 'count up or down'],
    ['2580', 'keypad'],
    ['0852', 'keypad'],
    ['1599', 'keypad'],
    ['7531', 'count up or down'],
    ['7535', 'keypad'],
    ['1397', 'keypad'],
    ['9713', 'keypad'],
    ['1254', 'keypad'],
    ['2684', 'keypad'],
    ['13971', 'keypad'],
    ['159753', 'keypad'],
    ['147258', 'keypad'],
    ['963741', 'keypad'],
    ['147896', 'keypad'],
    ['123698', 'keypad'],
    ['14789632', 'keypad'],
    ['12369874', 'keypad'],
    ['78963214', 'keypad'],
    ['08523', 'keypad'],
    ['246810', 'in steps'],
    ['018642', 'in steps'],
    ['135790', 'in steps'],
    ['134679', 'in steps'],
    ['142536', 'in steps'],
    ['131415', 'in steps'],
    ['102030', 'in steps'],
    ['135246', 'in steps'],
    ['13572468', 'in steps'],
    ['24681357', 'in steps'],
    ['147036', 'in steps'],
    ['1987', 'a year'],
    ['2031', 'a year'],
    ['1225', 'well-known day'],
    ['2512', 'well-known day'],
    ['071485', 'a date'],
    ['140785', 'a date'],
    ['850714', 'a date'],
    ['198507', 'a date'],
    ['071985', 'a date'],
    ['07141985', 'a date'],
    ['14071985', 'a date'],
    ['19850714', 'a date'],
  ])('may not be %s: the rule is named', (pin, rule) => expect(weakness(pin)).toContain(rule));

  it('is refused for a tenth of all PINs of four digits, and no rule for longer ones adds to it', () => {
    expect(ofFourDigits.filter((pin) => weakness(pin) !== undefined)).toHaveLength(1105);
  });

  it('is refused for few of the longer ones, which are guessed less', () => {
    const ofFive = Array.from({ length: 10_000 }, (_, n) => String(n * 10 + ((n * 7) % 10)).padStart(5, '0'));
    expect(ofFive.filter((pin) => weakness(pin) !== undefined).length).toBeLessThan(700);
  });

  it('is not named by the rule that it breaks', () => {
    for (const pin of ofFourDigits) expect(weakness(pin) ?? '').not.toContain(pin);
  });

  it.each(['5550', '0123', '3210', '0555'])('may not be %s where that is a part of a telephone number', (pin) => {
    expect(ownDataWeakness(pin, ['+4930123456', '+12025550123'])).toContain('telephone number');
    expect(ownDataWeakness(pin, [])).toBeUndefined();
    expect(ownDataWeakness('4271', ['+12025550123'])).toBeUndefined();
  });
});
