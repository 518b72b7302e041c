import { RequestGates } from './request-gates.js';

const requesterOf = (tenant: string) => ({ tenant, agent: 'agent', caller: 'caller' });
const LONG = 60_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('RequestGates', () => {
  it('sends the request of a quiet tenant at once while a burst of another tenant waits', async () => {
    const gates = new RequestGates({ maxInFlight: 8, maxWaiting: 1_000 });
    const sent: string[] = [];
    const ends: (() => void)[] = [];
    const send = (tenant: string, topic = 'hashes'): void =>
      void gates.run(topic, requesterOf(tenant), LONG, () => {
        sent.push(tenant);
        return new Promise<void>((resolve) => ends.push(resolve));
      });
    for (let n = 0; n < 400; n++) send('busy');
    send('quiet');
    await turn();
    expect([sent, gates.waiting]).toEqual([['busy', 'busy', 'busy', 'busy', 'quiet'], 396]);
    while (ends.length > 0) {
      ends.shift()?.();
      await turn();
    }
    expect([sent.length, gates.waiting]).toEqual([401, 0]);
  });

  it('does not delay requests to one topic by requests to another', async () => {
    const gates = new RequestGates({ maxInFlight: 1, maxWaiting: 10 });
    let end = (): void => undefined;
    const first = gates.run('hashes', requesterOf('t'), LONG, () => new Promise<void>((resolve) => (end = resolve)));
    const second = gates.run('hashes', requesterOf('t'), LONG, () => Promise.resolve());
    expect(await gates.run('queries', requesterOf('t'), LONG, () => Promise.resolve('answer'))).toBe('answer');
    expect(gates.waiting).toBe(1);
    // Finished here, because a request that still waits would be rejected a minute later, outside of any test.
    end();
    await Promise.all([first, second]);
  });

  it('releases the slot of a failed request, and passes on the remaining time', async () => {
    const gates = new RequestGates({ maxInFlight: 1, maxWaiting: 10 });
    await expect(gates.run('t', requesterOf('t'), LONG, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gates.run('t', requesterOf('t'), 1_000, (restMs) => Promise.resolve(restMs <= 1_000))).toBe(true);
  });

  it('rejects requests that wait too long or are too many, without sending them', async () => {
    const gates = new RequestGates({ maxInFlight: 1, maxWaiting: 1 });
    let sent = 0;
    const never = (): Promise<never> => new Promise(() => sent++);
    void gates.run('t', requesterOf('busy'), LONG, never);
    const late = gates.run('t', requesterOf('busy'), 20, never);
    await expect(gates.run('t', requesterOf('busy'), LONG, never)).rejects.toMatchObject({ code: 'REQUEST_GAVE_WAY' });
    await expect(late).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', retriable: true });
    expect(sent).toBe(1);
  });
});
