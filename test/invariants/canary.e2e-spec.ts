import { randomInt } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { AuditEvents } from '../audit-events.js';
import { ByteSearch, filesBelow } from '../byte-search.js';
import { bodyOf, Client, newName, newPin } from '../client.js';
import { Ledger, differences } from '../ledger.js';
import { requiredEnv, startEmbedded, startSeparate, type Product } from '../product.js';

/** Texts that must be found nowhere, and a control that must be found: it proves that the search works. */
interface Canaries {
  readonly secrets: Readonly<Record<string, string>>;
  readonly control: string;
}

/** Sends every secret to every input that takes it: right and wrong, well-formed and malformed, over both adapters. */
async function live(product: Product): Promise<Canaries> {
  const client = new Client(product);
  const [pin, guess, malformed] = [newPin(), newPin(), newPin()];
  const phone = `+1202${randomInt(2_000_000, 9_999_999)}`;
  const control = newName('control');
  await client.putTenant(control);
  const agent = await client.createAgent(control);
  const subject = newName('customer');
  await client.putSubject(control, subject, { phones: [phone], displayName: 'Alex' });
  await client.putPin(control, subject, pin);

  const callId = newName('call');
  const spoken = (await client.swaig(agent, { pin, caller: phone, callId })).text;
  expect(spoken).toContain('"verified":true');
  const typed = (await client.verify(agent, { phone, pin })).json;
  expect(typed).toMatchObject({ outcome: 'verified' });
  const receipts = [/"receipt":"([^"]+)"/.exec(spoken)?.[1] ?? '', String(typed['receipt'])];
  for (const receipt of receipts) {
    for (const more of [{}, { callId: 'another' }, { consume: true }, { consume: true }, { callId, extra: receipt }]) {
      await client.agentRequest(agent, 'POST', '/v1/receipts/introspect', { receipt, ...more });
    }
    await client.agentRequest(agent, 'GET', `/v1/calls/${receipt}/verification`);
  }
  expect((await client.agentRequest(agent, 'GET', `/v1/calls/${callId}/verification`)).json).toMatchObject({
    verified: true,
  });
  expect((await client.swaig(agent, { pin: guess, caller: phone })).text).toContain('"verified":false');
  expect((await client.verify(agent, { subject, pin: guess })).json).toMatchObject({ outcome: 'rejected' });
  // REST recognizes no caller, so the last attempt of the window is reserved. The recognized telephone uses it.
  expect((await client.verify(agent, { phone, pin: guess })).json).toMatchObject({ outcome: 'locked' });
  expect((await client.verify(agent, { phone, pin })).json).toMatchObject({ outcome: 'locked' });
  await client.swaig(agent, { pin: guess, caller: phone, callId: newName('call') });
  expect((await client.swaig(agent, { pin, caller: phone })).text).not.toContain('"verified":true');
  // A refused secret must not reach a log either, whichever rule refuses it.
  await client.swaig(agent, { pin: `${malformed}${malformed}`, caller: phone });
  await client.post(agent, JSON.stringify(bodyOf({ pin: malformed, caller: phone })).slice(0, -1));
  await client.post(undefined, JSON.stringify(bodyOf({ pin: malformed, caller: phone })));
  await client.post(agent, JSON.stringify({ ...bodyOf({ pin: malformed, caller: phone }), function: malformed }));
  await client.verify(agent, { phone: `${phone}${malformed}`, pin: malformed });
  await client.verify(agent, { subject, pin: `${malformed}9` });
  await client.manage('PUT', `/v1/tenants/${control}/subjects/${subject}/pin`, { pin: `${malformed}9` }, [422]);
  await client.manage('PUT', `/v1/tenants/${control}/subjects/${newName('twin')}`, { phones: [phone] }, [409]);
  const keys = `/v1/tenants/${agent.tenant}/keys`;
  const { json: created } = await client.manage('POST', keys, { name: 'Canary', scopes: ['manage'] });
  const { json: rotated } = await client.manage('POST', `${keys}/${String(created['id'])}/rotate`);
  const rest = `${product.restUrls()[0] ?? ''}/v1/tenants/${agent.tenant}`;
  for (const { key } of [created, rotated]) {
    expect((await client.request(rest, { headers: { authorization: `Bearer ${String(key)}` } })).status).toBe(200);
  }
  return {
    control,
    secrets: {
      'the right PIN': pin,
      'the wrong PIN': guess,
      'the malformed PIN': malformed,
      // Without the country code, the shortest form that still identifies the number.
      'the telephone number': phone.slice(2),
      "the agent's password": agent.password,
      "the agent's API key": agent.apiKey,
      'an API key': String(created['key']),
      'a rotated API key': String(rotated['key']),
      "the administrator's key": product.adminKey,
      'a receipt over SWAIG': receipts[0] ?? '',
      'a receipt over REST': receipts[1] ?? '',
      // Cannot be computed from public data.
      'the signature of a receipt': receipts[0]?.split('.')[2] ?? '',
    },
  };
}

describe('a PIN, a telephone number, a password and a receipt', () => {
  it('appear in no file and no output of the product in one process', async () => {
    const product = await startEmbedded();
    try {
      const canaries = await live(product);
      for (const { code } of await product.terminate()) expect(code).toBe(0);
      const secrets = new ByteSearch(canaries.secrets);
      const control = new ByteSearch({ control: canaries.control });
      expect((await filesBelow(product.dataDir)).length).toBeGreaterThan(100);
      expect(await control.inFolder(product.dataDir)).not.toEqual([]);
      expect(await secrets.inFolder(product.dataDir)).toEqual([]);
      expect(product.logs()).toContain('"msg":"request"');
      expect(secrets.in('the output', Buffer.from(product.logs()))).toEqual([]);
    } finally {
      await product.remove();
    }
  }, 600_000);

  it('appear in no table, no file of PostgreSQL or Kafka, and no output of the eight processes', async () => {
    const product = await startSeparate();
    try {
      const ledger = await Ledger.open(product.databaseUrl);
      const events = await AuditEvents.follow(product);
      try {
        const canaries = await live(product);
        expect(await differences(ledger, events)).toEqual([]);
        for (const { program, code } of await product.terminate()) expect([program, code]).toEqual([program, 0]);
        const secrets = new ByteSearch(canaries.secrets);
        const control = new ByteSearch({ control: canaries.control });

        const hits: string[] = [];
        const controls: string[] = [];
        for await (const { table, text } of ledger.everything()) {
          hits.push(...secrets.in(table, Buffer.from(text)));
          controls.push(...control.in(table, Buffer.from(text)));
        }
        expect([hits, controls.length > 0]).toEqual([[], true]);

        const folders = [await ledger.flushedFolder(), ...requiredEnv('TEST_KAFKA_DATA_DIRS').split(',')];
        for (const folder of folders) {
          expect(await control.inFolder(folder)).not.toEqual([]);
          expect(await secrets.inFolder(folder)).toEqual([]);
        }
        expect(product.logs()).toContain('"msg":"request"');
        expect(secrets.in('the output', Buffer.from(product.logs()))).toEqual([]);
      } finally {
        await events.close();
        await ledger.close();
      }
    } finally {
      await product.remove();
    }
  }, 600_000);
});
