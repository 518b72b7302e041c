import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { VerificationRequested, type LimitDimension } from '@countersign/contracts';
import { AGENT_KEY, OTHER_AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

const PHONES: Readonly<Record<string, string>> = {
  caller: '+12025550141',
  call: '+12025550142',
  agent: '+12025550143',
  tenant: '+12025550144',
};

describe('an attempt that a limit refuses', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
  });
  afterAll(() => bed.close());

  const attempt = (name: string, key: string) => {
    const body = {
      method: 'pin',
      subject: `of-${name}`,
      pin: '4821',
      callId: `call-${name}`,
      callerPhone: PHONES[name],
    };
    return bed.call('POST', '/v1/verifications', { key, body });
  };
  const published = (): number => bed.commands.filter(({ type }) => type === VerificationRequested.type).length;

  // Each has its own caller and call. The limits of an agent and a tenant come last, because they cover all later attempts.
  it.each<[LimitDimension, string]>([
    ['caller', AGENT_KEY],
    ['call', AGENT_KEY],
    ['agent', OTHER_AGENT_KEY],
    ['tenant', AGENT_KEY],
  ])('names the limit %s, also when the refusal comes from the cache', async (dimension, key) => {
    const refused = { outcome: 'rate_limited', level: 'none', retryAfterSeconds: 60, limitedBy: dimension };
    bed.decide = () => ({
      outcome: 'rate_limited',
      retryAfterSeconds: 60,
      limitedBy: { dimension, retryAfterMs: 60_000 },
    });
    const before = published();
    expect(await attempt(dimension, key)).toMatchObject({ status: 200, body: refused });
    expect(await attempt(dimension, key)).toMatchObject({ status: 200, body: refused });
    expect(published()).toBe(before + 1);
  });
});

describe('an attempt that a limit by subject refuses', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
  });
  afterAll(() => bed.close());

  it('has no name of the limit, and the same bytes for both limits', async () => {
    const shown: string[] = [];
    for (const dimension of ['subject', 'subjectsPerCaller'] as const) {
      const limitedBy = { dimension, retryAfterMs: 17_000, admittedSubjects: [] };
      bed.decide = () => ({ outcome: 'rate_limited', retryAfterSeconds: 17, limitedBy });
      const body = { method: 'pin', subject: `of-${dimension}`, pin: '4821', callerPhone: '+12025550145' };
      const { status, headers, text } = await bed.call('POST', '/v1/verifications', { key: AGENT_KEY, body });
      shown.push(JSON.stringify([status, text, headers.get('ratelimit'), headers.get('ratelimit-policy')]));
    }
    expect(shown[0]).toContain('rate_limited');
    expect(shown[0]).not.toMatch(/limitedBy|subject/);
    expect(shown[1]).toBe(shown[0]);
  });
});

describe('a request that a quota refuses', () => {
  let bed: RestTestBed;
  beforeAll(async () => {
    bed = await RestTestBed.open({ REPLY_TIMEOUT_MS: '2000' });
  });
  afterAll(() => bed.close());

  const quotas = [{ name: 'agent' as const, limit: 600, periodSeconds: 60, remaining: 0, resetSeconds: 7 }];
  const shown = { ratelimit: '"agent";r=0;t=7', 'ratelimit-policy': '"agent";q=600;w=60' };
  const headersOf = (headers: Headers): object => ({
    ratelimit: headers.get('ratelimit'),
    'ratelimit-policy': headers.get('ratelimit-policy'),
  });

  it('is a problem that names the limit of a query, and an admitted query shows what remains', async () => {
    const read = () => bed.call('GET', '/v1/calls/call-1/verification', { key: AGENT_KEY });
    bed.decideLimit = () => ({ quotas });
    const admitted = await read();
    expect([admitted.status, headersOf(admitted.headers)]).toEqual([200, shown]);
    const limitedBy = { dimension: 'agent', retryAfterMs: 7_000 } as const;
    bed.decideLimit = () => ({ outcome: 'rate_limited', retryAfterSeconds: 7, quotas, limitedBy });
    const { status, headers, body } = await read();
    expect([status, headersOf(headers), headers.get('retry-after')]).toEqual([429, shown, '7']);
    expect(body).toMatchObject({ type: 'urn:countersign:problem:quota-exceeded', limitedBy: 'agent' });
  });
});
