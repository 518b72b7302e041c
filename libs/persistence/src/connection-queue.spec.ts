import { ConnectionQueue } from './connection-queue.js';

const LONG = 60_000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ConnectionQueue', () => {
  it('gives the next free connection to a quiet tenant while 400 statements of another tenant wait', async () => {
    const queue = new ConnectionQueue(2, LONG);
    const begun: string[] = [];
    const work = (tenants: string): void => void queue.enter(tenants).then(() => begun.push(tenants));
    for (let n = 0; n < 400; n++) work('busy');
    work('quiet');
    await turn();
    expect([begun, queue.waiting]).toEqual([['busy', 'busy'], 399]);
    for (let n = 0; n < 2; n++) queue.leave();
    await turn();
    expect(begun).toEqual(['busy', 'busy', 'busy', 'quiet']);
    for (let n = 0; n < 401; n++) {
      queue.leave();
      await turn();
    }
    expect([begun.length, queue.waiting]).toEqual([401, 0]);
  });

  it('rejects a caller after the timeout and gives it no connection', async () => {
    const queue = new ConnectionQueue(1, 1);
    await queue.enter('a');
    await expect(queue.enter('b')).rejects.toThrow('timeout exceeded');
    expect(queue.waiting).toBe(0);
    queue.leave();
    await queue.enter('c');
  });
});
