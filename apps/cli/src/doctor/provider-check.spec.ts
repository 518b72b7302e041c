import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ServiceNeeds } from '@countersign/hosting';
import { type ExaminedService } from './installation.js';
import { checkProvider } from './provider-check.js';

describe('the check of the OpenID provider', () => {
  let server: Server;
  let url = '';
  let document: unknown;
  beforeAll(async () => {
    server = createServer((request, response) => {
      response.statusCode = request.url === '/.well-known/openid-configuration' ? 200 : 404;
      response.end(JSON.stringify(document));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => {
    server.close();
  });

  const check = (issuer: string | undefined) => {
    const needs = { name: 'rest-adapter', openIdIssuer: () => issuer } as Partial<ServiceNeeds> as ServiceNeeds;
    return checkProvider({ services: [{ needs, faults: [] } as Partial<ExaminedService> as ExaminedService] });
  };
  const problemOf = async (issuer: string): Promise<string | undefined> => (await check(issuer)).problems[0]?.text;

  it('passes for a provider that describes itself, and without one', async () => {
    document = { issuer: url };
    expect(await check(url)).toEqual({ ok: `the OpenID provider ${url} answers`, problems: [] });
    expect((await check(undefined)).problems).toEqual([]);
  });

  it('fails for another issuer, a path without the document, and a provider that does not answer', async () => {
    document = { issuer: 'https://id.example.com' };
    expect(await problemOf(url)).toBe(`${url}/.well-known/openid-configuration names another issuer`);
    expect(await problemOf(`${url}/realm`)).toMatch(/ answers with status 404$/);
    expect(await problemOf('http://127.0.0.1:1')).toMatch(/ cannot be read \((ECONNREFUSED|TypeError)\)$/);
  });
});
