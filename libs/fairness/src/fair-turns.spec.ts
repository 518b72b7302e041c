import { FairTurns } from './fair-turns.js';

const of = (tenant: string) => ({ tenant, agent: 'agent', caller: '' });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('a task that takes turns in the event loop', () => {
  it('starts at once when no other task was started in this turn', () => {
    const turns = new FairTurns();
    let begun = 0;
    turns.begin(of('acme'), () => begun++);
    expect(begun).toBe(1);
  });

  it('starts alone in its turn, and one of a quiet tenant starts before 398 of a busy one', async () => {
    const turns = new FairTurns();
    const begun: string[] = [];
    for (let n = 0; n < 400; n++) turns.begin(of('busy'), () => begun.push('busy'));
    expect(begun).toEqual(['busy']);
    turns.begin(of('quiet'), () => begun.push('quiet'));
    while (begun.length < 401) await turn();
    expect(begun.indexOf('quiet')).toBeLessThanOrEqual(2);
  });

  it('that arrives during a burst takes its turn before the rest of the burst', async () => {
    const turns = new FairTurns();
    const begun: string[] = [];
    for (let n = 0; n < 100; n++) turns.begin(of('busy'), () => begun.push('busy'));
    await turn();
    const before = begun.length;
    turns.begin(of('quiet'), () => begun.push('quiet'));
    while (!begun.includes('quiet')) await turn();
    expect(begun.indexOf('quiet') - before).toBeLessThanOrEqual(1);
  });

  it('starts even after the task before it has thrown', async () => {
    const turns = new FairTurns();
    const throwing = (): never => {
      throw new Error('no');
    };
    expect(() => turns.begin(of('acme'), throwing)).toThrow('no');
    const begun: number[] = [];
    turns.begin(of('acme'), () => begun.push(1));
    turns.begin(of('acme'), () => begun.push(2));
    await turn();
    await turn();
    expect(begun).toEqual([1, 2]);
  });
});
