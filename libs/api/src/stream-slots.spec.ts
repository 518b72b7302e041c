import { metricValue } from '@countersign/testing';
import { StreamSlots } from './stream-slots.js';

describe('the slots of streams', () => {
  it('are bounded for one client and for all, and can be taken again when they are given back', async () => {
    const slots = new StreamSlots('live', 100, 10);
    const tenOf = (client: string): (() => void)[] => Array.from({ length: 10 }, () => slots.take(client));
    const releases = Array.from({ length: 10 }, (_, at) => tenOf(`client-${at}`)).flat();
    const refusal = expect.objectContaining({ message: 'quota-exceeded' }) as Error;
    const open = (): Promise<number> => metricValue('countersign_streams', { kind: 'live' });
    const refusals = (): Promise<number> => metricValue('countersign_streams_refused_total', { kind: 'live' });
    expect([await open(), await refusals()]).toEqual([100, 0]);
    expect(() => slots.take('another')).toThrow(refusal);
    expect([await open(), await refusals()]).toEqual([100, 1]);
    releases[0]?.();
    expect(await open()).toBe(99);
    expect(() => slots.take('client-1')).toThrow(refusal);
    const release = slots.take('client-0');
    expect(() => slots.take('client-0')).toThrow(refusal);
    release();
    slots.take('another');
  });
});
