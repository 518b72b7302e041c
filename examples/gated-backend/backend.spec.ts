import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWTPayload } from 'jose';
import { createBackend } from './backend.js';
import { CheckReceipt } from './check-receipt.js';

const ISSUER = 'https://verify.example.com';
const CLAIMS = { sub: 'cust-1', call_id: 'call-1', level: 'verified', method: 'pin', agent: 'desk' };

let countersign: Server;
let bank: Server;
let key: CryptoKey;
const spent = new Set<string>();
const accounts = new Map([['cust-1', 1000]]);

const addressOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const listen = (server: Server): Promise<void> => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

async function sign(claims: JWTPayload = {}, by = key, seconds = 300): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ jti: `jti-${Math.random()}`, ...CLAIMS, iss: ISSUER, aud: 'acme', ...claims })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'r1' })
    .setIssuedAt(now)
    .setExpirationTime(now + seconds)
    .sign(by);
}

/** The two routes of Countersign that a backend uses, with a key of its own. Each receipt can be consumed once. */
async function startCountersign(): Promise<Server> {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  key = pair.privateKey;
  const keys = [{ ...(await exportJWK(pair.publicKey)), kid: 'r1', alg: 'EdDSA', use: 'sig' }];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk: Buffer) => (text += chunk.toString()));
    request.on('end', () => {
      if (request.url === '/.well-known/jwks.json') return response.end(JSON.stringify({ keys }));
      const { receipt, consume } = JSON.parse(text) as { receipt: string; consume?: boolean };
      const known = request.headers.authorization === 'Bearer csk_test' && !spent.has(receipt);
      if (consume) spent.add(receipt);
      response.end(JSON.stringify(known ? { active: true, sub: 'cust-1' } : { active: false }));
    });
  });
  await listen(server);
  return server;
}

beforeAll(async () => {
  countersign = await startCountersign();
  const rules = {
    countersign: addressOf(countersign),
    issuer: ISSUER,
    tenant: 'acme',
    agent: 'desk',
    apiKey: 'csk_test',
  };
  bank = createBackend(new CheckReceipt(rules), accounts);
  await listen(bank);
});
afterAll(() => {
  for (const server of [bank, countersign]) {
    server.close();
    server.closeAllConnections();
  }
});

async function ask(method: string, path: string, receipt: string, callId = 'call-1', body?: unknown): Promise<number> {
  const headers = { authorization: `Bearer ${receipt}`, 'x-call-id': callId };
  const response = await fetch(`${addressOf(bank)}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  await response.arrayBuffer();
  return response.status;
}

describe('the gated backend', () => {
  it('returns a balance for an active receipt, any number of times', async () => {
    const receipt = await sign();
    expect([await ask('GET', '/balance', receipt), await ask('GET', '/balance', receipt)]).toEqual([200, 200]);
  });

  it('moves money once for each receipt', async () => {
    const receipt = await sign();
    expect(await ask('POST', '/payments', receipt, 'call-1', { cents: 0 })).toBe(422);
    expect(await ask('POST', '/payments', receipt, 'call-1', { cents: 100 })).toBe(200);
    expect(await ask('POST', '/payments', receipt, 'call-1', { cents: 100 })).toBe(401);
    expect(accounts.get('cust-1')).toBe(900);
  });

  it('refuses every receipt that is not exactly its own', async () => {
    const stranger = (await generateKeyPair('EdDSA')).privateKey;
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await sign()).split('.')[1] ?? ''}.`;
    const bad: readonly (readonly [string, string])[] = [
      ['no receipt', ''],
      ['no JWT', 'a.b.c'],
      ['without a signature', unsigned],
      ['signed by an unknown key', await sign({}, stranger)],
      ['of another tenant', await sign({ aud: 'umbrella' })],
      ['of another installation', await sign({ iss: 'https://elsewhere.example' })],
      ['of another call', await sign({ call_id: 'call-2' })],
      ['of another agent', await sign({ agent: 'kiosk' })],
      ['of no agent', await sign({ agent: undefined })],
      ['of a lower level', await sign({ level: 'identified' })],
      ['out of time', await sign({}, key, -1)],
    ];
    for (const [what, receipt] of bad) {
      expect([what, await ask('GET', '/balance', receipt)]).toEqual([what, 401]);
      expect([what, await ask('POST', '/payments', receipt, 'call-1', { cents: 1 })]).toEqual([what, 401]);
    }
    expect(accounts.get('cust-1')).toBe(900);
  });
});
