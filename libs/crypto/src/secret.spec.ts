import { inspect } from 'node:util';
import { Secret } from './secret.js';

describe('Secret', () => {
  const secret = new Secret('90817263');

  it('does not show its value when it is printed', () => {
    const shown = [
      String(secret),
      [secret].join(),
      JSON.stringify({ secret }),
      inspect({ deep: { secret } }),
      ''.concat(secret as never),
    ];
    for (const text of shown) expect(text).not.toContain('90817263');
    expect(Object.keys(secret)).toEqual([]);
  });

  it('returns its value from reveal', () => {
    expect(secret.reveal()).toBe('90817263');
  });
});
