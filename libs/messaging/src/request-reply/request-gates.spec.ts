import { RequestGates } from './request-gates.js';

const of = (tenant: string) => ({ tenant, agent: 'agent', caller: 'caller' });
const LONG = 60_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the requests of one process', () => {
  it('of a quiet tenant are sent at once while a burst of another one waits', async () => {
    const gates = new RequestGates({ maxInFlight: 8, maxWaiting: 1_000 });
    const sent: string[] = [];
    const ends: (() => void)[] = [];
    const send = (tenant: string, topic = 'hashes'): void =>
      void gates.run(topic, of(tenant), LONG, () => {
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

  it('to one topic never wait for those to another', async () => {
    const gates = new RequestGates({ maxInFlight: 1, maxWaiting: 10 });
    let end = (): void => undefined;
    const first = gates.run('hashes', of('t'), LONG, () => new Promise<void>((resolve) => (end = resolve)));
    const second = gates.run('hashes', of('t'), LONG, () => Promise.resolve());
    expect(await gates.run('queries', of('t'), LONG, () => Promise.resolve('answer'))).toBe('answer');
    expect(gates.waiting).toBe(1);
    // A request that still waits would be rejected a minute later, when no test takes the error.
    end();
    await Promise.all([first, second]);
  });

  it('give their place back when they fail, and have only what is left of their time', async () => {
    const gates = new RequestGates({ maxInFlight: 1, maxWaiting: 10 });
    await expect(gates.run('t', of('t'), LONG, () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await gates.run('t', of('t'), 1_000, (restMs) => Promise.resolve(restMs <= 1_000))).toBe(true);
  });

  it('that wait too long or are too many end in a fault that says nothing was sent', async () => {
    const gates = new RequestGates({ maxInFlight: 1, maxWaiting: 1 });
    let sent = 0;
    const never = (): Promise<never> => new Promise(() => sent++);
    void gates.run('t', of('busy'), LONG, never);
    const late = gates.run('t', of('busy'), 20, never);
    await expect(gates.run('t', of('busy'), LONG, never)).rejects.toMatchObject({ code: 'REQUEST_GAVE_WAY' });
    await expect(late).rejects.toMatchObject({ code: 'REQUEST_TIMED_OUT', retriable: true });
    expect(sent).toBe(1);
  });
});
