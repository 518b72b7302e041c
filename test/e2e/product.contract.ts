import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@countersign/testing';
import { bodyOf, newName, newPhone, type Agent, type Json } from '../client.js';
import { temporaryFolder, type Product } from '../product.js';
import { runCli } from '../run-doctor.js';
import { limits } from './limits.contract.js';
import { httpRefusals } from './refusals.contract.js';
import { receipts } from './receipts.contract.js';
import { restApi } from './rest.contract.js';
import { subjects } from './subjects.contract.js';
import { spoken } from './spoken.contract.js';
import { verificationHolds } from './verification-holds.contract.js';
import { LOCKED, openWorld, PIN, REJECTED, WRONG, type World } from './world.js';

const UUID = /^[0-9a-f-]{36}$/;
const SAMPLES = join('apps', 'swaig-adapter', 'samples');
const OBEYED_WITHIN_MS = 1000;
const STOPPED_WITHIN_MS = 10_000;

/** The promises of the product, in every layout. */
export function productContract(name: string, start: () => Promise<Product>): void {
  describe(name, () => {
    let product: Product;
    let world: World;

    beforeAll(async () => {
      product = await start();
      world = await openWorld(product);
    }, 180_000);
    afterAll(() => product.remove(), 60_000);

    describe('a caller', () => {
      callers(() => world);
    });
    describe('over HTTP', () => {
      httpRefusals(() => world);
    });
    describe('the platform', () => {
      platform(() => world);
    });
    describe('spoken input', () => {
      spoken(() => world);
    });
    describe('the REST interface', () => {
      restApi(() => world);
    });
    describe('subjects and tenants', () => {
      subjects(() => world);
    });
    describe('a limit', () => {
      limits(() => world);
    });
    describe('a receipt', () => {
      receipts(() => world);
    });
    describe('a verification', () => {
      verificationHolds(() => world);
    });
    describe('an operator', () => {
      operators(() => world);
    });
  });
}

function callers(world: () => World): void {
  it('is verified by the right PIN, and the functions that the policy names are switched on', async () => {
    const { client, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const { status, json } = await client.swaig(agent, { pin: PIN, caller: phone });
    expect(status).toBe(200);
    expect(json).toEqual({
      response: 'Thank you, Alex. How can I help you today?',
      action: [
        {
          set_global_data: {
            verified: true,
            customer_id: subject,
            verification_level: 'verified',
            verification_id: expect.stringMatching(UUID),
          },
        },
        { set_meta_data: { receipt: expect.any(String) } },
        {
          toggle_functions: [
            { function: 'get_store_hours', active: true },
            { function: 'get_balance', active: true },
          ],
        },
      ],
    });
  });

  it('is also found by the customer number, from any telephone', async () => {
    const { client, agent, enrol } = world();
    const { subject } = await enrol();
    const { json } = await client.swaig(agent, { pin: PIN, customerId: subject });
    expect(json['action']).toContainEqual({ set_global_data: expect.objectContaining({ customer_id: subject }) });
  });

  it('is rejected with a wrong PIN, transferred to a person with the third, and then locked even with the right one', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const guess = async (pin: string): Promise<Json> => (await client.swaig(agent, { pin, caller: phone })).json;
    expect(await guess(WRONG)).toEqual(REJECTED);
    expect(await guess('77120')).toEqual(REJECTED);
    expect(await guess('3316')).toEqual(LOCKED);
    expect(await guess(PIN)).toEqual(LOCKED);
    expect((await client.swaig(agent, { pin: PIN, customerId: subject })).json).toEqual(LOCKED);
    expect(Date.parse(String((await client.state(tenant, subject))['lockedUntil']))).toBeGreaterThan(Date.now());
  });

  it('gets the same bytes whether the subject exists or not, from the first attempt to the lock', async () => {
    const { client, agent, enrol } = world();
    const known = await enrol();
    const guesses = [WRONG, '77120', '3316', '48219', WRONG];
    const answers = async (who: { caller?: string; customerId?: string }): Promise<string[]> => {
      const texts: string[] = [];
      for (const pin of guesses) {
        const { status, text } = await client.swaig(agent, { pin, ...who });
        texts.push(`${status} ${text}`);
      }
      return texts;
    };
    const expected = [REJECTED, REJECTED, LOCKED, LOCKED, LOCKED].map((reply) => `200 ${JSON.stringify(reply)}`);
    expect(await answers({ caller: known.phone })).toEqual(expected);
    expect(await answers({ caller: newPhone() })).toEqual(expected);
    expect(await answers({ customerId: newName('nobody') })).toEqual(expected);
  });

  it('gets the stored answer for a repeated delivery, which counts as one attempt', async () => {
    const { client, tenant, agent, enrol } = world();
    const { subject, phone } = await enrol();
    const body = JSON.stringify(bodyOf({ pin: WRONG, caller: phone }));
    const answers = [await client.post(agent, body)];
    answers.push(...(await Promise.all([1, 2, 3, 4].map((copy) => client.post(agent, body, {}, copy)))));
    for (const { status, text } of answers) expect([status, text]).toEqual([200, JSON.stringify(REJECTED)]);
    expect(await client.state(tenant, subject)).toMatchObject({ attemptsInWindow: 1 });
    const right = JSON.stringify(bodyOf({ pin: PIN, caller: phone }));
    const verified = await Promise.all([1, 2, 3].map((copy) => client.post(agent, right, {}, copy)));
    // One verification, so one id in every answer.
    expect(new Set(verified.map(({ text }) => text)).size).toBe(1);
    expect(verified[0]?.json['action']).toContainEqual({
      set_global_data: expect.objectContaining({ verified: true }),
    });
  });

  it('is admitted ten times a minute and not an eleventh time', async () => {
    const { client, agent, enrol } = world();
    const { phone } = await enrol();
    for (let call = 0; call < 10; call++) {
      const { json } = await client.swaig(agent, { pin: PIN, caller: phone });
      expect(json['response']).toBe('Thank you, Alex. How can I help you today?');
    }
    const { status, json } = await client.swaig(agent, { pin: PIN, caller: phone });
    expect(status).toBe(200);
    expect(json).toEqual({
      response: expect.stringMatching(/^There have been too many requests\. Please wait \d+ seconds and try again\.$/),
    });
  });
}

function platform(world: () => World): void {
  it.each(readdirSync(SAMPLES).filter((file) => file.startsWith('req-')))(
    'gets 200 and a response for %s',
    async (file) => {
      const { client, agent } = world();
      const body = JSON.parse(readFileSync(join(SAMPLES, file), 'utf8')) as Json;
      if (body['action'] === 'get_signature') {
        const { status, json } = await client.post(agent, JSON.stringify(body));
        expect([status, Object.values(json).length > 0]).toEqual([200, true]);
        return;
      }
      const pin = { parsed: [{ pin: WRONG }], raw: JSON.stringify({ pin: WRONG }) };
      for (const change of [{}, { function: 'verify_pin' }, { function: 'verify_pin', argument: pin }]) {
        const { status, json } = await client.post(agent, JSON.stringify({ ...body, ...change }));
        expect(status).toBe(200);
        expect(json['response']).toEqual(expect.stringMatching(/\S/));
        expect(json['action'] ?? []).not.toContainEqual({
          set_global_data: expect.objectContaining({ verified: true }),
        });
      }
    },
  );

  it('gets complete definitions of all functions', async () => {
    const { client, agent } = world();
    const { status, json } = await client.signature(agent);
    expect(status).toBe(200);
    const definition = {
      description: expect.stringMatching(/\S/),
      parameters: expect.objectContaining({ type: 'object' }),
      web_hook_url: expect.stringMatching(/^http:\/\/.*\/swaig$/),
      web_hook_auth_user: agent.agent,
      web_hook_auth_password: agent.password,
      meta_data_token: expect.stringMatching(/^[0-9a-f]{32}$/),
      fillers: expect.objectContaining({ 'en-US': [expect.any(String)] }),
    };
    const names = ['verify_pin', 'verify_identity', 'verification_status', 'request_transfer', 'collect_pin'];
    expect(json).toEqual(names.map((name) => ({ function: name, ...definition })));
  });

  it('applies a changed policy, and a rotated or revoked secret, within a second', async () => {
    const { client, tenant } = world();
    const agent = await client.createAgent(tenant);
    const path = `/v1/tenants/${tenant}/agents/${agent.agent}`;
    const functions = async (as: Agent): Promise<number> => Object.keys((await client.signature(as)).json).length;
    await client.manage('PUT', `${path}/policy`, { functions: ['collect_pin'] });
    await eventually('a changed policy is obeyed', async () => (await functions(agent)) === 1, OBEYED_WITHIN_MS);
    await client.manage('PATCH', `${path}/policy`, { functions: null });
    await eventually('and changed back', async () => (await functions(agent)) === 5, OBEYED_WITHIN_MS);

    const rotated = {
      ...agent,
      ...((await client.manage('POST', `${path}/rotate`, { graceSeconds: 600 })).json as object),
    };
    const status = async (as: Agent): Promise<number> => (await client.signature(as)).status;
    const allowed = async (as: Agent): Promise<number> =>
      (await client.verify(as, { subject: newName('nobody'), pin: WRONG })).status;
    await eventually('new secrets are accepted', async () => (await status(rotated)) === 200, OBEYED_WITHIN_MS);
    expect([await status(agent), await allowed(agent)]).toEqual([200, 200]);

    await client.manage('POST', `${path}/rotate`, { graceSeconds: 0 });
    const refused = async (as: Agent): Promise<boolean> => (await status(as)) === 401 && (await allowed(as)) === 401;
    for (const old of [agent, rotated]) {
      await eventually('revoked secrets are refused', () => refused(old), OBEYED_WITHIN_MS);
    }
  });
}

function operators(world: () => World): void {
  it('can read health, readiness and metrics of every service', async () => {
    const { client } = world();
    const { product } = client;
    const get = (url: string) => client.request(url, {});
    for (const url of [...product.swaigUrls(), ...product.restUrls(), ...product.opsUrls()]) {
      expect((await get(`${url}/health/live`)).json).toMatchObject({ status: 'ok' });
      expect((await get(`${url}/health/ready`)).json).toMatchObject({ status: 'ok' });
    }
    expect(product.opsUrls().length).toBeGreaterThan(0);
    const services = (await client.manage('GET', '/v1/services')).json['items'] as {
      service: string;
      status: string;
    }[];
    // Processes of their own are listed by a setting, which they do not have here.
    const names = product.opsUrls().length > 1 ? [] : ['audit', 'rest-adapter', 'verification'];
    for (const service of names) expect(services).toContainEqual(expect.objectContaining({ service, status: 'ready' }));
    for (const url of product.opsUrls()) {
      const { status, text } = await get(`${url}/metrics`);
      expect([status, text.includes('countersign_up')]).toEqual([200, true]);
    }
  });

  it('can verify the log of all events from outside, with the public key and a checkpoint that covers what just happened', async () => {
    const { client, tenant } = world();
    const { product } = client;
    const url = product.auditUrls()[0] ?? '';
    const headers = { authorization: `Bearer ${product.adminKey}` };
    const id = await eventually('a checkpoint covers an event', async () => {
      const { json } = await client.request(`${url}/v1/events?tenant=${tenant}&limit=1`, { headers });
      const event = (json['items'] as { id: string }[])[0]?.id;
      const proven = event && (await client.request(`${url}/v1/events/${event}`, { headers })).json['proof'];
      return proven ? event : undefined;
    });
    const logKey = (await client.request(`${url}/vkey`, {})).text.trim();
    const folder = await temporaryFolder();
    const file = (name: string): string => join(folder, name);
    const log = (...args: string[]): Promise<unknown> =>
      runCli({ COUNTERSIGN_API_KEY: product.adminKey }, 'log', ...args, '--log-key', logKey);
    const outside = ['--url', url];
    try {
      expect(
        await Promise.all([
          log('checkpoints', file('witness'), ...outside),
          log('prove', id, '--out', folder, ...outside),
        ]),
      ).toEqual([expect.objectContaining({ code: 0 }), expect.objectContaining({ code: 0 })]);
      const [whole, receipt] = await Promise.all([
        log('verify', '--checkpoints', file('witness'), '--json', ...outside),
        log('verify', '--receipt', file(`${id}.tlog-proof`), file(`${id}.event`)),
      ]);
      expect(whole).toMatchObject({ code: 0, output: expect.stringContaining('"intact"') });
      expect(receipt).toMatchObject({ code: 0 });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }, 60_000);

  it('stops every process cleanly within 10 s, and a new start has the same subjects, PINs and locks', async () => {
    const { client, tenant, agent, enrol } = world();
    const { product } = client;
    const locked = await enrol();
    const open = await enrol();
    for (const pin of [WRONG, WRONG, WRONG]) await client.swaig(agent, { pin, caller: locked.phone });
    const before = await client.state(tenant, locked.subject);
    expect(before['lockedUntil']).toBeDefined();

    for (const { program, code, signal, afterMs } of await product.terminate()) {
      expect({ program, code, signal }).toEqual({ program, code: 0, signal: null });
      expect(afterMs).toBeLessThan(STOPPED_WITHIN_MS);
    }
    await product.startAgain();

    expect(await client.state(tenant, locked.subject)).toEqual(before);
    expect((await client.swaig(agent, { pin: PIN, caller: locked.phone })).json).toEqual(LOCKED);
    const verified = await client.swaig(agent, { pin: PIN, caller: open.phone });
    expect(verified.json['response']).toBe('Thank you, Alex. How can I help you today?');
  }, 180_000);
}
