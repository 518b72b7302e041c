import { randomUUID } from 'node:crypto';
import { LimitOverrideRequested, message, type LimitDimension } from '@countersign/contracts';
import { metricValue, TEST_ACTOR } from '@countersign/testing';
import { RateLimitTestBed } from '../../test/test-bed.js';
import { OverrideGauges } from './override-gauges.js';

describe('the gauges of overrides and tightened limits', () => {
  let bed: RateLimitTestBed;
  let gauges: OverrideGauges;
  beforeEach(() => {
    bed = new RateLimitTestBed();
    gauges = new OverrideGauges(bed.limitRequests, bed.clock);
    gauges.onModuleInit();
  });
  afterEach(() => gauges.onModuleDestroy());

  const override = (dimension: LimitDimension, reason: string, seconds: number): Promise<unknown> =>
    bed.manage.override(
      message(LimitOverrideRequested, {
        ...{ commandId: 'command-1', actor: TEST_ACTOR, tenant: 'acme', overrideId: randomUUID() },
        ...{ of: { dimension, names: [] }, limit: { limit: 30, periodSeconds: 60 }, reason },
        expiresAt: new Date(bed.clock.now() + seconds * 1000).toISOString(),
      }),
    );

  it('show the overrides in force by limit and reason, and the age of the oldest one', async () => {
    await override('caller', 'a call centre behind one number', 200_000);
    bed.clock.advance(90_000_000);
    await override('agent', ' ', 60);
    const count = (labels: Record<string, string>): Promise<number> =>
      metricValue('countersign_limit_overrides', labels);
    const age = (dimension: string): Promise<number> =>
      metricValue('countersign_limit_override_age_seconds', { dimension });
    expect(await count({ dimension: 'caller', reason: 'given' })).toBe(1);
    expect(await count({ dimension: 'agent', reason: 'missing' })).toBe(1);
    expect(await count({})).toBe(2);
    expect([await age('caller'), await age('agent'), await age('call')]).toEqual([90_000, 0, 0]);
    bed.clock.advance(61_000);
    expect([await count({ dimension: 'agent' }), await count({})]).toEqual([0, 1]);
  });

  it('show how many tenants have tightened limits, until the limits are as before', async () => {
    const tenants = (): Promise<number> => metricValue('countersign_tightened_tenants');
    expect(await tenants()).toBe(0);
    await bed.manage.tighten({ tenant: 'acme', seconds: 600 });
    await bed.manage.tighten({ tenant: 'umbrella', seconds: 60 });
    expect(await tenants()).toBe(2);
    bed.clock.advance(61_000);
    expect(await tenants()).toBe(1);
    bed.clock.advance(600_000);
    expect(await tenants()).toBe(0);
  });
});
