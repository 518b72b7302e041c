import { costOf } from './hash-bounds.js';

const SALTED = '$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

describe('the cost of a stored hash', () => {
  it('is read from the form that argon2 writes', () => {
    expect(costOf(`$argon2id$v=19$m=19456,t=2,p=1${SALTED}`)).toEqual({ memoryKib: 19_456, passes: 2, lanes: 1 });
  });

  it.each([
    ['too much memory', `$argon2id$v=19$m=1048577,t=2,p=1${SALTED}`],
    ['more memory than a number holds', `$argon2id$v=19$m=99999999999999,t=2,p=1${SALTED}`],
    ['too many passes', `$argon2id$v=19$m=19456,t=11,p=1${SALTED}`],
    ['too many lanes', `$argon2id$v=19$m=19456,t=2,p=17${SALTED}`],
    ['less memory than its lanes need', `$argon2id$v=19$m=15,t=2,p=2${SALTED}`],
    ['no memory', `$argon2id$v=19$m=0,t=2,p=1${SALTED}`],
    ['no pass', `$argon2id$v=19$m=19456,t=0,p=1${SALTED}`],
    ['no lane', `$argon2id$v=19$m=19456,t=2,p=0${SALTED}`],
    ['a hash that is right by chance', '$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAA'],
    ['a salt of nothing', '$argon2id$v=19$m=19456,t=2,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['another kind of argon2', `$argon2d$v=19$m=19456,t=2,p=1${SALTED}`],
    ['an old version', `$argon2id$v=16$m=19456,t=2,p=1${SALTED}`],
    ['something behind it', `$argon2id$v=19$m=19456,t=2,p=1${SALTED}$m=1`],
    ['nothing', ''],
  ])('is none for one with %s', (_, phc) => {
    expect(costOf(phc)).toBeUndefined();
  });
});
