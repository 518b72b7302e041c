import { expect, it } from '@jest/globals';
import { eventually } from '@countersign/testing';
import { newName, newPhone } from '../client.js';
import { PIN, WRONG, type World } from './world.js';

/** As docs/limits.md promises for a caller that adapters refuse themselves, with a tolerance for a busy machine. */
const HOLDS_WITHIN_MS = 15_000;
const TEST_MS = 60_000;
/** Headers that differ between any two answers, or whose presence depends on the connection. */
const VARYING_HEADERS: readonly string[] = ['request-id', 'date', 'keep-alive', 'connection'];

/** Callers over a limit, and what an administrator can do about it. */
export function limits(world: () => World): void {
  async function callerOverItsLimit(): Promise<{ outcome: () => Promise<unknown>; phone: string }> {
    const { client, agent, enrol } = world();
    const { phone } = await enrol();
    const outcome = async (): Promise<unknown> =>
      (await client.verify(agent, { phone, callerPhone: phone, pin: PIN })).json['outcome'];
    for (let guess = 0; guess < 10; guess++) expect(await outcome()).toBe('verified');
    for (let guess = 0; guess < 5; guess++) expect(await outcome()).toBe('rate_limited');
    return { outcome, phone };
  }

  it.each([
    ['limits/reset', {}],
    ['overrides', { limit: 15, periodSeconds: 60, expiresAt: new Date(Date.now() + 3_600_000).toISOString() }],
  ])(
    'admits a caller that was over its limit within seconds after %s',
    async (path, body) => {
      const { client, tenant } = world();
      const { outcome, phone } = await callerOverItsLimit();
      const reason = 'a person has checked who it is';
      await client.manage('POST', `/v1/tenants/${tenant}/${path}`, {
        dimension: 'caller',
        phone,
        reason,
        ...body,
      });
      await eventually('the caller passes', async () => (await outcome()) === 'verified', HOLDS_WITHIN_MS);
    },
    TEST_MS,
  );

  it(
    'answers an attempt over the limit of a subject with the same bytes for an enrolled and an unknown subject',
    async () => {
      const { client, tenant, enrol } = world();
      const subject = { limit: 2, periodSeconds: 3_600 };
      const agent = await client.createAgent(tenant, { limits: { subject } });
      const refused = async (name: string): Promise<string> => {
        for (let guess = 0; guess < subject.limit; guess++) await client.verify(agent, { subject: name, pin: WRONG });
        const { status, text, headers } = await client.verify(agent, { subject: name, pin: PIN });
        expect(text).toContain('rate_limited');
        // The seconds to wait become fewer from one request to the next.
        const names = [...headers.keys()].filter((header) => !VARYING_HEADERS.includes(header)).sort();
        return JSON.stringify([
          status,
          names,
          text.replace(/"retryAfterSeconds":3[56]\d\d/, '"retryAfterSeconds":3600'),
        ]);
      };
      const ofUnknown = await refused(newName('nobody'));
      expect(await refused((await enrol()).subject)).toBe(ofUnknown);
      expect(ofUnknown).toContain('3600');
      expect(ofUnknown).not.toContain('limitedBy');
    },
    TEST_MS,
  );

  it(
    'counts a caller over REST by callerPhone, names that limit, and admits the same number on the telephone',
    async () => {
      const { client, agent, enrol } = world();
      const { phone } = await enrol();
      for (let guess = 0; guess < 10; guess++) {
        await client.verify(agent, { phone, callerPhone: phone, pin: PIN });
      }
      const { status, json } = await client.verify(agent, { phone, callerPhone: phone, pin: PIN });
      expect([status, json]).toEqual([
        200,
        { outcome: 'rate_limited', level: 'none', retryAfterSeconds: expect.any(Number), limitedBy: 'caller' },
      ]);
      // Without callerPhone the request has no caller, and the telephone has a counter of its own.
      expect((await client.verify(agent, { phone, pin: PIN })).json).toMatchObject({ outcome: 'verified' });
      expect((await client.swaig(agent, { pin: PIN, caller: phone })).text).toContain('"verified":true');
    },
    TEST_MS,
  );

  it(
    'refuses every further subject to a caller with attempts at five subjects, and admits attempts at those five',
    async () => {
      const { client, agent } = world();
      const caller = newPhone();
      const subjects = Array.from({ length: 12 }, () => newName('nobody'));
      const ask = async (customerId: string): Promise<boolean> => {
        const { json } = await client.swaig(agent, { pin: PIN, caller, customerId });
        return !String(json['response']).startsWith('There have been too many requests');
      };
      const passed: boolean[] = [];
      for (const subject of subjects) passed.push(await ask(subject));
      expect(passed).toEqual(subjects.map((_, place) => place < 5));
      expect(await ask(subjects[2] ?? '')).toBe(true);
      expect(await ask(newName('nobody'))).toBe(false);
    },
    TEST_MS,
  );
}
