import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { metricValue } from '@countersign/testing';
import { OpenIdProvider } from './open-id-provider.js';
import { createSessionId, derivedFrom } from './session-cookies.js';

const CALLBACK = 'http://127.0.0.1:3001/console/session/callback';

describe('the OpenID provider', () => {
  let server: Server;
  let issuer: string;
  let provider: OpenIdProvider;
  let faults: unknown[];
  let answerToken: (response: ServerResponse) => void;
  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url !== '/.well-known/openid-configuration') return answerToken(response);
      const endpoints = { authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token` };
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ issuer, ...endpoints, jwks_uri: `${issuer}/keys` }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });
  beforeEach(() => {
    faults = [];
    provider = providerAt(issuer);
  });

  const providerAt = (origin: string): OpenIdProvider => {
    const issued = { issuer: new URL(origin), clientId: 'console', clientSecret: undefined, audience: undefined };
    const settings = { ...issued, scopes: 'openid', rolesClaim: 'roles', roles: new Map() };
    return new OpenIdProvider(
      settings,
      () => Date.now(),
      (error) => void faults.push(error),
    );
  };
  const requests = (request: string, outcome: string): Promise<number> =>
    metricValue('countersign_openid_request_seconds_count', { request, outcome });
  const signIn = (answer: Record<string, string>): ReturnType<OpenIdProvider['signIn']> => {
    const id = createSessionId();
    const query = new URLSearchParams({ state: derivedFrom(id, 'state'), ...answer });
    return provider.signIn(id, new URL(`${CALLBACK}?${query.toString()}`), 3600);
  };

  it('is said to have refused a sign-in when it answers with an error, to the browser or to the code', async () => {
    expect(await signIn({ error: 'access_denied' })).toBe('provider_refused');
    answerToken = (response) =>
      response.writeHead(400, { 'content-type': 'application/json' }).end('{"error":"invalid_grant"}');
    const before = await requests('token', 'refused');
    expect(await signIn({ code: 'used before' })).toBe('provider_refused');
    answerToken = (response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<p>No such page');
    expect(await signIn({ code: 'any' })).toBe('provider_refused');
    expect((await requests('token', 'refused')) - before).toBe(2);
    expect(faults).toEqual([]);
  });

  it('does not decide about an answer with the state of another sign-in', async () => {
    expect(await signIn({ code: 'any', state: derivedFrom(createSessionId(), 'state') })).toBe('mismatch');
  });

  it('is unavailable, and the fault is logged, when its token endpoint fails without an error of OAuth', async () => {
    const before = await requests('token', 'failed');
    answerToken = (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<p>Bad gateway');
    await expect(signIn({ code: 'any' })).rejects.toMatchObject({ problem: 'unavailable' });
    answerToken = (response) => response.destroy();
    await expect(signIn({ code: 'any' })).rejects.toMatchObject({ problem: 'unavailable' });
    expect((await requests('token', 'failed')) - before).toBe(2);
    expect(faults).toHaveLength(2);
  });

  it('is unavailable when it cannot be reached, and each try is counted', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    provider = providerAt(`http://127.0.0.1:${port}`);
    const before = await requests('discovery', 'failed');
    for (let n = 0; n < 2; n++)
      await expect(provider.signInUrl(createSessionId(), CALLBACK, 0)).rejects.toMatchObject({
        problem: 'unavailable',
      });
    expect((await requests('discovery', 'failed')) - before).toBe(2);
  });
});
