import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request, type RequestOptions } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually, TestAuthority, type TestCertificate } from '@countersign/testing';
import { startEmbedded, type EmbeddedProduct } from '../product.js';

const START_MS = 120_000;

interface Answered {
  readonly status: number;
  readonly text: string;
  /** The name in the certificate of the server. */
  readonly server: string;
}

describe('the product over HTTPS, with client certificates', () => {
  let folder: string;
  let authority: TestAuthority;
  let client: TestCertificate;
  let product: EmbeddedProduct;

  const write = async ({ cert, key }: TestCertificate): Promise<void> => {
    await writeFile(join(folder, 'cert'), cert);
    await writeFile(join(folder, 'key'), key);
  };
  const call = (url: string, options: RequestOptions = {}, body?: object): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const own = { ca: authority.pem, agent: new Agent(), ...options };
      const sent = request(url, own, (response) => {
        const server = String((response.socket as TLSSocket).getPeerCertificate().subject.CN);
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text, server })).on('error', reject);
      });
      sent.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
    });
  const rest = (): string => product.restUrls()[0] ?? '';
  const swaig = (): string => product.swaigUrls()[0] ?? '';
  const json = (authorization: string): RequestOptions => ({
    ...client,
    headers: { 'content-type': 'application/json', authorization },
  });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'countersign-https-'));
    authority = await TestAuthority.create();
    client = await authority.issue('voice-platform');
    await write(await authority.issue('first', ['127.0.0.1']));
    await writeFile(join(folder, 'ca'), authority.pem);
    product = await startEmbedded({
      TLS_CERT_FILE: join(folder, 'cert'),
      TLS_KEY_FILE: join(folder, 'key'),
      TLS_CLIENT_CA_FILE: join(folder, 'ca'),
      TLS_RELOAD_SECONDS: '1',
      OPS_TLS: 'true',
    });
  }, START_MS);
  afterAll(async () => {
    await product?.remove();
    await rm(folder, { recursive: true, force: true });
  }, START_MS);

  it('serves both adapters to clients with a certificate only, and names the certificate in the log', async () => {
    const admin = json(`Bearer ${product.adminKey}`);
    expect((await call(`${rest()}/v1/tenants/acme`, { ...admin, method: 'PUT' }, { name: 'Acme' })).status).toBe(201);
    const created = await call(
      `${rest()}/v1/tenants/acme/agents`,
      { ...admin, method: 'POST' },
      { agent: 'desk', name: 'Desk' },
    );
    const { password } = JSON.parse(created.text) as { password: string };
    const basic = json(`Basic ${Buffer.from(`desk:${password}`).toString('base64')}`);
    const signature = { action: 'get_signature', functions: ['verify_pin'] };
    const answer = await call(`${swaig()}/swaig`, { ...basic, method: 'POST' }, signature);
    expect(answer.status).toBe(200);
    // The definition of a function names the address under which it is called.
    expect(answer.text).toContain('https://');
    for (const url of [rest(), swaig()]) await expect(call(`${url}/health/live`)).rejects.toThrow();
    expect(product.logs()).toMatch(/"clientCertificate":"voice-platform [0-9A-F]+"/);
    expect(product.logs()).not.toContain('PRIVATE KEY');
  });

  it('serves health and metrics over TLS without a client certificate', async () => {
    const ops = product.opsUrls()[0] ?? '';
    expect((await call(`${ops}/health/ready`)).status).toBe(200);
    expect((await call(`${ops}/metrics`)).text).toMatch(
      /countersign_tls_certificate_expiry_timestamp_seconds\{service="rest-adapter"\} \d+/,
    );
  });

  it('uses a renewed certificate on every port without a restart', async () => {
    await write(await authority.issue('second', ['127.0.0.1']));
    const urls = [rest(), swaig(), product.opsUrls()[0] ?? ''].map((url) => `${url}/health/live`);
    for (const url of urls) {
      await eventually(`${url} has the new certificate`, async () => (await call(url, client)).server === 'second');
    }
  });
});
