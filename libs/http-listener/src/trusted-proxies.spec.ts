import { validateSync } from 'class-validator';
import fc from 'fast-check';
import { isIP } from 'node:net';
import { HttpSettings } from './http-settings.js';
import { forwardedAddresses, networkOf, TrustedProxies } from './trusted-proxies.js';

describe('trusted proxies', () => {
  it.each([
    ['10.0.0.0/8,2001:db8::7', '10.255.0.1', true],
    ['10.0.0.0/8,2001:db8::7', '11.0.0.1', false],
    ['10.0.0.0/8, 2001:db8::7', '2001:db8:0::7', true],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '::ffff:11.1.2.3', false],
    ['fe80::/10', 'fe80::1%eth0', true],
    ['', '127.0.0.1', false],
    ['10.0.0.0/8', 'unknown', false],
  ])('%j include %s: %s', (list, address, included) => {
    expect(new TrustedProxies(list).includes(address)).toBe(included);
  });

  it.each([
    'proxy.example.com',
    '10.0.0.0/33',
    '10.0.0/8',
    '0.0.0.0/0',
    '::/0',
    '10.0.0.1,',
    '10.0.0.1 10.0.0.2',
    '1/1',
  ])('cannot be %j, and the error names the setting and not the value', (value) => {
    const settings = Object.assign(new HttpSettings(), { TRUSTED_PROXIES: value });
    const [fault] = validateSync(settings, { validationError: { target: false, value: false } });
    expect(fault?.property).toBe('TRUSTED_PROXIES');
    expect(JSON.stringify(fault)).not.toContain(value);
  });
});

describe('the addresses of X-Forwarded-For', () => {
  it.each([
    ['203.0.113.7', ['203.0.113.7']],
    ['203.0.113.7:4711, [2001:db8::1]:80, [2001:db8::2]', ['203.0.113.7', '2001:db8::1', '2001:db8::2']],
    ['<script>, 203.0.113.7', ['203.0.113.7']],
    ['203.0.113.7, unknown', []],
    ['', []],
  ])('of %j are %j', (header, addresses) => {
    expect(forwardedAddresses(header)).toEqual(addresses);
  });

  it('are addresses, whatever a client sends', () => {
    fc.assert(
      fc.property(fc.string(), (sent) => {
        const addresses = forwardedAddresses(`${sent}, 203.0.113.7`);
        expect(addresses.at(-1)).toBe('203.0.113.7');
        expect(addresses.every((address) => isIP(address) !== 0)).toBe(true);
      }),
    );
  });
});

describe('the network that shares a limit', () => {
  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::6', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
  ])('of %s is %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
