import { describe, expect, it } from '@jest/globals';
import { register } from 'prom-client';
import { ReadGauge, type Sample } from './metrics.js';

let gauges = 0;
const sum = (a: number, b: number): number => a + b;

function gauge(merge = sum): { gauge: ReadGauge<'service' | 'partition'>; scrape: () => Promise<string[]> } {
  const name = `countersign_spec_${gauges++}`;
  const scrape = async (): Promise<string[]> => {
    const text = await register.getSingleMetricAsString(name);
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`))
      .map((line) => line.slice(name.length));
  };
  return { gauge: new ReadGauge(name, 'for a spec', ['service', 'partition'], merge), scrape };
}

const sample = (partition: number, value: number): Sample<'service' | 'partition'> => ({
  labels: { service: 'audit', partition },
  value,
});

describe('a gauge that is read at each scrape', () => {
  it('no longer shows a partition that moved to another process', async () => {
    const { gauge: lag, scrape } = gauge();
    let mine = [sample(0, 5), sample(1, 7)];
    lag.read(() => mine);
    expect(await scrape()).toHaveLength(2);
    mine = [sample(1, 7)];
    expect(await scrape()).toEqual(['{service="audit",partition="1"} 7']);
  });

  it('merges two sources with the same labels, and drops a source that is removed', async () => {
    const { gauge: waiting, scrape } = gauge();
    const end = waiting.read(() => [sample(0, 1)]);
    waiting.read(() => Promise.resolve([sample(0, 2)]));
    expect(await scrape()).toEqual(['{service="audit",partition="0"} 3']);
    end();
    expect(await scrape()).toEqual(['{service="audit",partition="0"} 2']);
  });

  it('shows the values of its other sources when one fails', async () => {
    const { gauge: lag, scrape } = gauge();
    lag.read(() => Promise.reject(new Error('closed')));
    lag.read(() => [sample(0, 1)]);
    expect(await scrape()).toEqual(['{service="audit",partition="0"} 1']);
  });

  it('shows NaN for an unknown value', async () => {
    const { gauge: age, scrape } = gauge();
    age.read(() => [sample(0, NaN)]);
    expect(await scrape()).toEqual(['{service="audit",partition="0"} Nan']);
  });
});
