import { createSocket } from 'node:dgram';
import { createServer, type AddressInfo } from 'node:net';
import { DnsServer } from '../../test/dns-server.js';
import { Receiver, type ReceiverAnswer } from '../../test/receiver.js';
import { parseNetworks } from './addresses.js';
import { HttpWebhookSender } from './http-sender.js';
import { HostResolver } from './resolve-host.js';
import { type SendResult } from './targets.ports.js';

const PUBLIC = '93.184.215.14';
const body = Buffer.from('{"a":1}');

let dns: DnsServer;
/** The addresses that the DNS server answers with next, by host; the last answer is repeated. */
const answers = new Map<string, (readonly string[])[]>();
const receivers: Receiver[] = [];
const receive = async (answer?: () => ReceiverAnswer | Promise<ReceiverAnswer>, host?: string): Promise<Receiver> => {
  const receiver = await Receiver.start(answer, host);
  receivers.push(receiver);
  return receiver;
};

beforeAll(async () => {
  dns = await DnsServer.start((host) => {
    const planned = answers.get(host) ?? [];
    return (planned.length > 1 ? planned.shift() : planned[0]) ?? [];
  });
});
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});
afterAll(() => dns.close());

/** @param networks that are allowed although they are not public */
const senderFor = (networks = '', timeoutMs = 2_000): HttpWebhookSender =>
  new HttpWebhookSender(
    { allowsHttp: true, allowedNetworks: parseNetworks(networks) },
    new HostResolver([dns.address], timeoutMs),
    timeoutMs,
  );
const send = (sender: HttpWebhookSender, url: string): Promise<SendResult> =>
  sender.send({ url, headers: { 'content-type': 'application/json', 'webhook-id': 'evt-1' }, body });

describe('the sender', () => {
  it('posts the body with its headers, and returns the status', async () => {
    const receiver = await receive(() => ({ status: 202 }));
    expect(await send(senderFor('127.0.0.1/32'), `${receiver.url}/hook?a=b`)).toEqual({ status: 202 });
    const [got] = receiver.received;
    expect(got).toMatchObject({ path: '/hook?a=b', body: body.toString(), headers: { 'webhook-id': 'evt-1' } });
  });

  it('connects to the address that the DNS gives for a host, and names the host', async () => {
    answers.set('hooks.example', [['127.0.0.1']]);
    const receiver = await receive();
    const url = `http://hooks.example:${receiver.port}/`;
    expect(await send(senderFor('127.0.0.1/32'), url)).toEqual({ status: 204 });
    expect(receiver.received[0]?.headers.host).toBe(`hooks.example:${receiver.port}`);
  });

  it('reads Retry-After in seconds and as a date', async () => {
    const receiver = await receive(() => ({ status: 503, headers: { 'retry-after': '120' } }));
    expect(await send(senderFor('127.0.0.1/32'), receiver.url)).toEqual({ status: 503, retryAfterSeconds: 120 });
    const date = new Date(Date.now() + 60_000).toUTCString();
    const dated = await receive(() => ({ status: 429, headers: { 'retry-after': date } }));
    const result = await send(senderFor('127.0.0.1/32'), dated.url);
    expect(result).toMatchObject({ status: 429 });
    expect((result as { retryAfterSeconds: number }).retryAfterSeconds).toBeGreaterThan(55);
  });

  it('follows no redirect, wherever it leads', async () => {
    const inside = await receive(undefined, '127.0.0.2');
    for (const status of [301, 302, 303, 307, 308]) {
      const outside = await receive(() => ({ status, headers: { location: `${inside.url}/internal` } }));
      expect(await send(senderFor('127.0.0.1/32'), outside.url)).toEqual({ status });
    }
    expect(inside.connections).toBe(0);
  });

  it('takes no proxy from the environment', async () => {
    const proxy = await receive();
    const receiver = await receive();
    const names = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'ALL_PROXY', 'NODE_USE_ENV_PROXY'];
    const before = names.map((name) => process.env[name]);
    names.forEach((name) => (process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : proxy.url));
    try {
      expect(await send(senderFor('127.0.0.1/32'), receiver.url)).toEqual({ status: 204 });
    } finally {
      names.forEach((name, at) => {
        const value = before[at];
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      });
    }
    expect(proxy.connections).toBe(0);
  });

  it('ends an attempt whose receiver does not answer in time', async () => {
    const receiver = await receive(() => new Promise<ReceiverAnswer>(() => undefined));
    expect(await send(senderFor('127.0.0.1/32', 300), receiver.url)).toEqual({ fault: 'timeout' });
  });

  it('ends an attempt whose receiver switches to another protocol', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () =>
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    try {
      expect(await send(senderFor('127.0.0.1/32', 500), url)).toEqual({ fault: 'connection' });
    } finally {
      server.close();
    }
  });

  it('ends an attempt whose DNS servers do not answer in time, however many there are', async () => {
    const silent = Array.from({ length: 3 }, () => createSocket('udp4'));
    const addresses = await Promise.all(
      silent.map(async (socket) => {
        await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
        return `127.0.0.1:${socket.address().port}`;
      }),
    );
    const rules = { allowsHttp: true, allowedNetworks: [] };
    const sender = new HttpWebhookSender(rules, new HostResolver(addresses, 500), 500);
    const startedAt = performance.now();
    try {
      expect(await send(sender, 'http://silent.example/')).toEqual({ fault: 'dns' });
      expect(performance.now() - startedAt).toBeLessThan(1_000);
    } finally {
      silent.forEach((socket) => socket.close());
    }
  });

  it('says why there was no answer', async () => {
    const receiver = await receive();
    const sender = senderFor('127.0.0.1/32');
    expect(await send(sender, 'http://unknown.example/')).toEqual({ fault: 'dns' });
    expect(await send(sender, receiver.url.replace('http:', 'https:'))).toEqual({ fault: 'tls' });
    await receiver.close();
    expect(await send(sender, receiver.url)).toEqual({ fault: 'connection' });
  });
});

describe('a receiver inside of the network', () => {
  let inside: Receiver;
  beforeEach(async () => {
    inside = await Receiver.start(undefined, '::');
    receivers.push(inside);
  });
  const hostsOf = (port: number): string[] => [
    ...[`127.0.0.1:${port}`, `127.1:${port}`, `2130706433:${port}`, `0x7f000001:${port}`, `0177.0.0.1:${port}`],
    ...[`0x7f.0.0.1:${port}`, `127.0.0.1.:${port}`, `0.0.0.0:${port}`, `0:${port}`, `127.255.255.254:${port}`],
    ...[`[::1]:${port}`, `[::]:${port}`, `[::ffff:127.0.0.1]:${port}`, `[::ffff:7f00:1]:${port}`],
    ...[`[0:0:0:0:0:0:0:1]:${port}`, `[64:ff9b::7f00:1]:${port}`, `[2002:7f00:1::]:${port}`, `[::127.0.0.1]:${port}`],
    ...[`localhost:${port}`, `localhost.:${port}`, `169.254.169.254:${port}`, `[fe80::1]:${port}`],
  ];

  it('gets no connection from any spelling of its address', async () => {
    const sender = senderFor();
    for (const host of hostsOf(inside.port)) {
      const url = `http://${host}/`;
      expect({ url, result: await send(sender, url) }).toMatchObject({
        result: { fault: expect.stringMatching(/target|dns/) as unknown },
      });
      expect({ url, rule: await sender.ruleBroken(url) }).toEqual({
        url,
        rule: expect.stringMatching(/^must /) as unknown,
      });
    }
    expect(hostsOf(0).length).toBeGreaterThanOrEqual(20);
    expect(inside.connections).toBe(0);
  });

  it.each([
    ['an address inside', ['127.0.0.1']],
    ['an IPv6 address inside', ['::1']],
    ['a mapped address', ['::ffff:7f00:1']],
    ['the address of a metadata service', ['169.254.169.254']],
    ['the address of the host agent of Azure', ['168.63.129.16']],
    ['a public address and one inside', [PUBLIC, '127.0.0.1']],
    ['a public address and an IPv6 address inside', [PUBLIC, '::1']],
  ])('gets no connection through a host whose DNS answers with %s', async (_case, addresses) => {
    answers.set('inside.example', [addresses]);
    const sender = senderFor();
    const url = `http://inside.example:${inside.port}/`;
    expect(await send(sender, url)).toEqual({ fault: 'target' });
    expect(await sender.ruleBroken(url)).toMatch(/public address/);
    expect(inside.connections).toBe(0);
  });

  it('gets no connection through a host whose DNS answers change from a public address to an inner one', async () => {
    const sender = senderFor();
    const url = `http://rebinding.example:${inside.port}/`;
    answers.set('rebinding.example', [[PUBLIC], [PUBLIC], ['127.0.0.1']]);
    // The check at the creation takes two answers, for both families.
    expect(await sender.ruleBroken(url)).toBeUndefined();
    expect(await send(sender, url)).toEqual({ fault: 'target' });
    expect(inside.connections).toBe(0);
  });

  it('gets no connection when the answer changes between check and connection', async () => {
    // The address that was checked has no listener; the one of every later answer has.
    const sender = senderFor('127.0.0.3/32');
    answers.set('race.example', [['127.0.0.3'], ['127.0.0.3'], ['127.0.0.1']]);
    const asked = dns.questions.length;
    const onlyInside = await receive(undefined, '127.0.0.1');
    expect(await send(sender, `http://race.example:${onlyInside.port}/`)).toEqual({ fault: 'connection' });
    expect(dns.questions.slice(asked)).toEqual(['race.example']);
    expect(onlyInside.connections).toBe(0);
  });
});
