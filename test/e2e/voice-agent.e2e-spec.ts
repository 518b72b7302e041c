import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createBackend } from '../../examples/gated-backend/backend.js';
import { CheckReceipt } from '../../examples/gated-backend/check-receipt.js';
import { newName } from '../client.js';
import { startEmbedded, type Product } from '../product.js';
import { openSwaigTest } from '../python-sdk.js';
import { openWorld, PIN, REJECTED, WRONG, type World } from './world.js';

jest.setTimeout(600_000);

let product: Product;
let world: World;
let opening: ReturnType<typeof openSwaigTest>;

beforeAll(async () => {
  // Python's packages are fetched while the product starts and the other tests run.
  opening = openSwaigTest();
  product = await startEmbedded();
  world = await openWorld(product);
}, 180_000);
afterAll(() => product.remove(), 60_000);

const swaigUrl = (): string => product.swaigUrls()[0] ?? '';
const restUrl = (): string => product.restUrls()[0] ?? '';

/** The receipt among the actions of a success. */
function receiptIn(json: Readonly<Record<string, unknown>>): string {
  const actions = (json['action'] ?? []) as { set_meta_data?: { receipt: string } }[];
  return actions.find((action) => action.set_meta_data)?.set_meta_data?.receipt ?? '';
}

describe('countersign simulate call', () => {
  const simulate = (args: readonly string[], env: Record<string, string>): Promise<[number, string]> =>
    new Promise((resolve) => {
      const command = [join('dist', 'bin', 'cli.js'), 'simulate', 'call', ...args];
      execFile(process.execPath, command, { env: { PATH: process.env['PATH'] ?? '', ...env } }, (error, out, err) =>
        resolve([error === null ? 0 : Number(error.code), `${out}${err}`]),
      );
    });

  it('simulates a call that is rejected, verified and transferred, and prints neither PIN nor password nor receipt', async () => {
    const { agent, enrol } = world;
    const { phone } = await enrol();
    const args = ['--url', swaigUrl(), '--agent', agent.agent, '--caller', phone];
    const [code, output] = await simulate(args, { SIMULATE_PASSWORD: agent.password, SIMULATE_PIN: PIN });
    expect([code, output]).toEqual([0, expect.stringMatching(/yes {2}the transfer connects/)]);
    expect(output).toContain('the model reads: Tool result below.');
    for (const secret of [PIN, agent.password, 'eyJ']) expect(output).not.toContain(secret);
  });

  it('ends with code 1 and one line when it is refused', async () => {
    const args = ['--url', swaigUrl(), '--agent', world.agent.agent, '--caller', '+12025550123'];
    const [code, output] = await simulate(args, { SIMULATE_PASSWORD: 'wrong', SIMULATE_PIN: PIN });
    expect([code, output]).toEqual([1, expect.stringMatching(/^The adapter refused the credentials.*\n$/)]);
  });
});

describe('the gated backend of the examples', () => {
  let bank: Server;
  const accounts = new Map<string, number>();

  beforeAll(async () => {
    const { tenant, agent } = world;
    const rules = {
      countersign: restUrl(),
      issuer: 'urn:countersign',
      tenant,
      agent: agent.agent,
      apiKey: agent.apiKey,
    };
    bank = createBackend(new CheckReceipt(rules), accounts).listen(0, '127.0.0.1');
    await once(bank, 'listening');
  });
  afterAll(() => {
    bank.close();
    bank.closeAllConnections();
  });

  const pay = async (receipt: string, callId: string): Promise<number> => {
    const { port } = bank.address() as AddressInfo;
    const headers = { authorization: `Bearer ${receipt}`, 'x-call-id': callId };
    const body = JSON.stringify({ cents: 100 });
    return (await fetch(`http://127.0.0.1:${port}/payments`, { method: 'POST', headers, body })).status;
  };

  it('pays once for the receipt of a verified call, and never for a receipt of another call or a forged one', async () => {
    const { client, agent, enrol } = world;
    const { subject, phone } = await enrol();
    accounts.set(subject, 1000);
    const callId = newName('call');
    const receipt = receiptIn((await client.swaig(agent, { pin: PIN, caller: phone, callId })).json);
    expect(await pay(receipt, newName('call'))).toBe(401);
    expect(await pay(`${receipt.slice(0, -4)}AAAA`, callId)).toBe(401);
    expect(await pay(receipt, callId)).toBe(200);
    expect(await pay(receipt, callId)).toBe(401);
    expect(accounts.get(subject)).toBe(900);
  });
});

describe('the Python agent of the examples, driven by the test program of its SDK', () => {
  it('reaches the outcomes verified, rejected, locked and transfer, and states a balance only for a receipt', async () => {
    const swaigTest = await opening;
    if (typeof swaigTest === 'string') {
      process.stderr.write(`NOT RUN: the Python agent was not driven by swaig-test: ${swaigTest}\n`);
      return;
    }
    const { client, agent, enrol } = world;
    const env = {
      COUNTERSIGN_SWAIG_URL: swaigUrl(),
      COUNTERSIGN_REST_URL: restUrl(),
      COUNTERSIGN_AGENT: agent.agent,
      COUNTERSIGN_PASSWORD: agent.password,
      COUNTERSIGN_API_KEY: agent.apiKey,
    };
    const call = async (callId: string, ...args: string[]): Promise<string> =>
      (await swaigTest({ ...env, COUNTERSIGN_AS: 'webhooks' }, '--verbose', '--call-id', callId, '--exec', ...args))
        .output;
    const pin = (callId: string, text: string, customer: string): Promise<string> =>
      call(callId, 'verify_pin', '--pin', text, '--customer_id', customer);

    const swml = await swaigTest(env, '--dump-swml', '--raw');
    expect(swml.output).toContain('"includes"');
    expect(swml.output).toContain('"verification_status"');

    const { subject } = await enrol();
    const callId = newName('call');
    expect(await pin(callId, WRONG, subject)).toContain(REJECTED.response);
    expect(await pin(callId, PIN, subject)).toContain('Thank you, Alex.');
    expect(await call(callId, 'verification_status')).toContain('The caller is verified by PIN.');
    const connected = await call(callId, 'request_transfer', '--department', 'support');
    expect(connected).toContain('sip:support@example.com');
    const refused = await call(callId, 'request_transfer', '--department', '+19005550100');
    expect(refused).not.toContain('"connect"');

    const other = (await enrol()).subject;
    await Promise.all(['19283', '57204', '60371'].map((guess) => pin(newName('call'), guess, other)));
    expect(await pin(newName('call'), PIN, other)).toContain('I will connect you to a person');

    const verified = await client.swaig(agent, { pin: PIN, customerId: subject, callId });
    const balance = (receipt: string): Promise<{ output: string }> => {
      const data = JSON.stringify({ meta_data: { receipt }, global_data: { verified: true } });
      return swaigTest(env, '--call-id', callId, '--custom-data', data, '--exec', 'get_balance');
    };
    expect((await balance('')).output).toContain('The caller is not verified.');
    expect((await balance(receiptIn(verified.json))).output).toContain(`The balance of customer ${subject}`);
  });
});
