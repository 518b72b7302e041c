import { StreamSlots } from './stream-slots.js';

describe('the slots of streams', () => {
  it('are bounded for one client and for all, and can be taken again when they are given back', () => {
    const slots = new StreamSlots(100, 10);
    const tenOf = (client: string): (() => void)[] => Array.from({ length: 10 }, () => slots.take(client));
    const releases = Array.from({ length: 10 }, (_, at) => tenOf(`client-${at}`)).flat();
    const refusal = expect.objectContaining({ message: 'quota-exceeded' }) as Error;
    expect(() => slots.take('another')).toThrow(refusal);
    releases[0]?.();
    expect(() => slots.take('client-1')).toThrow(refusal);
    const release = slots.take('client-0');
    expect(() => slots.take('client-0')).toThrow(refusal);
    release();
    slots.take('another');
  });
});
