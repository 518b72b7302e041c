import { EventEmitter } from 'node:events';
import { type Duplex } from 'node:stream';
import { closingAll, endWithSignals, spawnNode, type EndingProcess } from './lifetime.js';

describe('spawnNode', () => {
  it('ends a program when the process that started it has ended, which closes its end of a pipe', async () => {
    const child = spawnNode(['-e', 'console.log(process.pid); setInterval(() => undefined, 1000)']);
    const printed = await new Promise<string>((resolve) => child.stdout?.once('data', (text) => resolve(String(text))));
    expect(Number(printed)).toBe(child.pid);
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    (child.stdio[3] as Duplex).destroy();
    expect(await ended).toBe('SIGTERM');
  });

  it('reports the whole output and the exit code of a program that ends by itself', async () => {
    const child = spawnNode(['-e', 'process.stdin.pipe(process.stdout)'], { stdin: 'pipe' });
    let output = '';
    child.stdout?.setEncoding('utf8').on('data', (part: string) => (output += part));
    child.stdin?.end('é'.repeat(200_000));
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(output).toHaveLength(200_000);
  });
});

describe('endWithSignals', () => {
  it('closes what is open, the last first, before it ends the process', async () => {
    const events: string[] = [];
    const self = new EventEmitter() as EventEmitter & EndingProcess;
    const ended = new Promise<number>((resolve) => Object.assign(self, { ppid: 1, exit: resolve }));
    endWithSignals(self);
    await closingAll((onClose) => {
      onClose(() => Promise.resolve(void events.push('earlier work')));
      return Promise.resolve();
    });
    const isOpen = new Promise<void>((resolve) => {
      void closingAll(async (onClose) => {
        onClose(() => Promise.resolve(void events.push('first')));
        onClose(() => Promise.reject(new Error('a server that does not stop')));
        onClose(() => Promise.resolve(void events.push('last')));
        resolve();
        await new Promise(() => undefined);
      });
    });
    await isOpen;
    self.emit('SIGTERM');
    expect(await ended).toBe(143);
    expect(events).toEqual(['earlier work', 'last', 'first']);
  });
});
