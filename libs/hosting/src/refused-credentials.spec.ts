import { type AgentPublished, type FactRecorded } from '@countersign/contracts';
import { ManualClock } from '@countersign/testing';
import { RefusedCredentials } from './refused-credentials.js';

const DESK = { tenant: 'acme', agent: 'desk' } as AgentPublished;

let published: FactRecorded[];
let down: boolean;
let refused: RefusedCredentials;

beforeEach(() => {
  published = [];
  down = false;
  refused = new RefusedCredentials('swaig', new ManualClock(), (facts) => {
    published.push(...facts);
    return down ? Promise.reject(new Error('down')) : Promise.resolve();
  });
});

it('publishes one fact with a count per source and known agent', async () => {
  for (let n = 0; n < 3; n++) refused.count('203.0.113.7', DESK);
  refused.count('203.0.113.7');
  await refused.flush();
  await refused.flush();
  expect(published.map(({ kind, tenant, agent, detail }) => ({ kind, tenant, agent, detail }))).toEqual([
    { kind: 'access.refused', tenant: 'acme', agent: 'desk', detail: { source: '203.0.113.7', count: 3 } },
    { kind: 'access.refused', tenant: '_installation', agent: undefined, detail: { source: '203.0.113.7', count: 1 } },
  ]);
});

it('counts every request from any number of sources in bounded memory', async () => {
  for (let n = 0; n < 5_000; n++) refused.count(`10.0.${n >> 8}.${n & 255}`);
  await refused.flush();
  expect(published.length).toBeLessThanOrEqual(1_001);
  expect(published.reduce((sum, { detail }) => sum + Number(detail?.['count']), 0)).toBe(5_000);
});

it('publishes unacknowledged facts again with the same ids', async () => {
  refused.count('203.0.113.7');
  down = true;
  await expect(refused.flush()).rejects.toThrow('down');
  refused.count('203.0.113.7');
  down = false;
  await refused.flush();
  const ids = published.map(({ factId }) => factId);
  expect(ids).toHaveLength(3);
  expect(new Set(ids).size).toBe(2);
});
