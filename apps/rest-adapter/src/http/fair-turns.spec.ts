import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { eventually, sendPipelined, type RawRequest } from '@countersign/testing';
import { AGENT_KEY, OTHER_AGENT_KEY, RestTestBed } from '../../test/test-bed.js';

/** A request that the adapter refuses on its own, after it has read the body. */
const invalidRequest = (key: string): RawRequest => ({
  ...{ method: 'POST', path: '/v1/verifications', body: '{}' },
  headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
});

let bed: RestTestBed;
beforeAll(async () => {
  bed = await RestTestBed.open();
});
afterAll(() => bed.close());

it('answers a quiet tenant before the rest of a burst of another tenant that arrived first', async () => {
  const burst = Array.from({ length: 100 }, () => invalidRequest(AGENT_KEY));
  const close = await sendPipelined(bed.adapter.urls['rest'] ?? '', [burst, [invalidRequest(OTHER_AGENT_KEY)]]);
  const answered = (): string[] => bed.log.match(/(?<="tenant":")\w+(?=".*"msg":"request")/g) ?? [];
  await eventually('all requests are answered', () => answered().length === 101);
  expect(answered().indexOf('umbrella')).toBeLessThan(50);
  close();
});
