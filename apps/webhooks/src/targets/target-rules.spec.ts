import { isAllowedAddress, parseNetworks } from './addresses.js';
import { parseTarget, type TargetRules } from './target-rules.js';

const STRICT: TargetRules = { allowsHttp: false, allowedNetworks: [] };
const ruleOf = (url: string, rules = STRICT): string | undefined => {
  const target = parseTarget(url, rules);
  return 'rule' in target ? target.rule : undefined;
};

describe('the rules of a URL', () => {
  it.each([
    'https://hooks.example.com/countersign',
    'https://hooks.example.com:8443/a?b=c',
    'https://93.184.215.14/',
    'https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/',
  ])('accept %s', (url) => {
    expect(ruleOf(url)).toBeUndefined();
  });

  it.each([
    ['another scheme', 'ftp://hooks.example.com/'],
    ['http', 'http://hooks.example.com/'],
    ['a script', 'javascript:alert(1)'],
    ['a local file', 'file:///etc/passwd'],
    ['credentials', 'https://user:secret@hooks.example.com/'],
    ['a user name', 'https://user@hooks.example.com/'],
    ['a fragment', 'https://hooks.example.com/#a'],
    ['an empty fragment', 'https://hooks.example.com/#'],
    ['the port of a mail server', 'https://hooks.example.com:25/'],
    ['the port of a remote shell', 'https://hooks.example.com:22/'],
    ['no host', 'https://'],
    ['a space', 'https://hooks.example.com/a b'],
    ['a character outside of ASCII', 'https://hööks.example.com/'],
    ['2049 characters', `https://hooks.example.com/${'a'.repeat(2023)}`],
  ])('refuse %s', (_case, url) => {
    expect(ruleOf(url)).toMatch(/^must /);
  });

  it.each([
    ...['https://127.0.0.1/', 'https://127.1/', 'https://2130706433/', 'https://0x7f000001/', 'https://0177.0.0.1/'],
    ...['https://0x7f.0.0.1/', 'https://127.0.0.1./', 'https://0/', 'https://0.0.0.0/', 'https://①②⑦.0.0.1/'],
    ...['https://10.0.0.1/', 'https://172.16.0.1/', 'https://192.168.1.1/', 'https://100.64.0.1/'],
    ...[
      'https://169.254.169.254/latest/meta-data/',
      'https://168.63.129.16/machine',
      'https://[::ffff:168.63.129.16]/machine',
      'https://0xa9fea9fe/',
      'https://224.0.0.1/',
      'https://255.255.255.255/',
    ],
    ...[
      'https://[::1]/',
      'https://[::]/',
      'https://[::ffff:127.0.0.1]/',
      'https://[::ffff:7f00:1]/',
      'https://[::127.0.0.1]/',
    ],
    ...[
      'https://[64:ff9b::7f00:1]/',
      'https://[64:ff9b:1::7f00:1]/',
      'https://[2002:7f00:1::]/',
      'https://[2001:0:7f00:1::]/',
    ],
    ...[
      'https://[fe80::1]/',
      'https://[fc00::1]/',
      'https://[fd00:ec2::254]/',
      'https://[ff02::1]/',
      'https://[2001:db8::1]/',
    ],
    ...['https://198.18.0.1/', 'https://192.0.2.1/', 'https://192.0.0.192/', 'https://240.0.0.1/'],
  ])('refuse %s, which leads to no public address', (url) => {
    expect(ruleOf(url)).toBeDefined();
  });

  it('accept http and a private network only where the installation allows them', () => {
    const allowedNetworks = parseNetworks('10.20.0.0/16, fd00:20::/32');
    const rules = { allowsHttp: true, allowedNetworks };
    expect(ruleOf('http://10.20.1.2/', rules)).toBeUndefined();
    expect(ruleOf('http://[::ffff:10.20.1.2]/', rules)).toBeUndefined();
    expect(ruleOf('http://[fd00:20::1]/', rules)).toBeUndefined();
    expect(ruleOf('http://10.21.1.2/', rules)).toBeDefined();
    expect(ruleOf('http://[fd00:21::1]/', rules)).toBeDefined();
  });

  it('never repeat a part of the URL', () => {
    const canary = 'canary-73918264';
    for (const url of [
      `https://${canary}@a.example/`,
      `http://${canary}.example/`,
      `${canary}://a/`,
      `https://[${canary}]/`,
    ]) {
      expect(ruleOf(url)).toBeDefined();
      expect(ruleOf(url)).not.toContain(canary);
    }
  });
});

describe('address blocks', () => {
  it.each(['10.0.0.0', '10.0.0.0/33', 'private', '10.0.0.0/8;fd00::/8'])('refuse %s', (text) => {
    expect(() => parseNetworks(text)).toThrow('must be address blocks');
  });

  it('never allow an address with a zone, which selects an interface of this host', () => {
    expect(isAllowedAddress('fe80::1%eth0', parseNetworks('fe80::/10'))).toBe(false);
    expect(isAllowedAddress('fe80::1', parseNetworks('fe80::/10'))).toBe(true);
  });
});
