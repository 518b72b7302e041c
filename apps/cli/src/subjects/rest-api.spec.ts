import { isInClear } from './rest-api.js';

describe('a key', () => {
  it.each([
    ['http://verify.example.com', true],
    ['http://10.0.0.7:3001', true],
    ['http://127.0.0.1.example.com', true],
    ['http://localhost.example.com', true],
    ['https://verify.example.com', false],
    ['http://localhost:3001', false],
    ['http://127.0.0.1:3001', false],
    ['http://[::1]:3001', false],
  ])('that is sent to %s leaves this host unencrypted: %s', (address, expected) => {
    expect(isInClear(address)).toBe(expected);
  });
});
