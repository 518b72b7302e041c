import { costOf, dummyOf, formOfImport } from './hash-bounds.decision.js';

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

describe('the form of a hash of another system', () => {
  const bcrypt = (cost: string, prefix = '2b') => `$${prefix}$${cost}$${'a'.repeat(21)}O${'b'.repeat(30)}u`;

  it.each([
    [`$argon2id$v=19$m=65536,t=3,p=4${SALTED}`, 'argon2id:65536:3:4'],
    [bcrypt('04'), 'bcrypt:04'],
    [bcrypt('12'), 'bcrypt:12'],
    [bcrypt('10', '2y'), 'bcrypt:10'],
  ])('of %s is %s, and has a dummy of the same form', (hash, form) => {
    expect(formOfImport(hash)).toBe(form);
    expect(formOfImport(dummyOf(form) ?? '')).toBe(form);
  });

  it.each([
    ['more memory than an import may have', `$argon2id$v=19$m=65537,t=2,p=1${SALTED}`],
    ['too many passes', `$argon2id$v=19$m=19456,t=11,p=1${SALTED}`],
    ['another kind of argon2', `$argon2i$v=19$m=19456,t=2,p=1${SALTED}`],
    ['too high a cost of bcrypt', bcrypt('13')],
    ['the highest cost of bcrypt', bcrypt('31')],
    ['too low a cost of bcrypt', bcrypt('03')],
    ['the faulty bcrypt of PHP', bcrypt('10', '2x')],
    ['a salt that ends in other bits', `$2b$10$${'a'.repeat(53)}`],
    ['something behind it', `${bcrypt('10')}a`],
    ['MD5', '$1$salt$hash'],
  ])('is none with %s', (_what, hash) => {
    expect(formOfImport(hash)).toBeUndefined();
  });

  it.each(['bcrypt:13', 'bcrypt:4', 'argon2id:1048576:2:1', 'argon2id:19456:2', 'md5:1', ''])(
    'that is %j has no dummy',
    (form) => {
      expect(dummyOf(form)).toBeUndefined();
    },
  );
});
