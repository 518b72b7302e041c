import { type TopicSpec } from '@countersign/contracts';
import { record } from '../../test/contract-world.js';
import { MemoryLog } from './memory-log.js';

const NOW = Date.now();
const values = (log: MemoryLog): string[] => log.read(0).map(({ value }) => value.toString());

function filled(kind: TopicSpec['kind'], count: number, keys: number): MemoryLog {
  const spec = { name: 'test', kind };
  const log = new MemoryLog(spec, 0);
  for (let n = 0; n < count; n++) log.append(record(spec, `key-${n % keys}`, String(n)), NOW);
  return log;
}

describe('MemoryLog', () => {
  it('compacts state to about twice as many records as keys, with the newest of each key', () => {
    const log = filled('state', 50_000, 10);
    expect(log.read(0).length).toBeLessThan(300);
    expect(values(log).slice(-10)).toEqual(Array.from({ length: 10 }, (_, n) => String(49_990 + n)));
  });

  it('deletes commands after ten minutes, as Kafka does', () => {
    const log = filled('command', 5_000, 10);
    expect(log.read(0)).toHaveLength(5_000);
    log.append(record({ name: 'test', kind: 'command' }, 'k', 'new'), NOW + 600_001);
    expect(values(log)).toEqual(['new']);
  });

  it('deletes commands that every group has finished', () => {
    const log = filled('command', 1_000, 10);
    log.register('one');
    log.register('two');
    log.commit('one', 1_000);
    expect(log.read(0)).toHaveLength(1_000);
    log.commit('two', 900);
    expect(values(log)[0]).toBe('900');
  });

  it.each(['fact', 'log'] as const)(
    'keeps a %s until every group has finished it, and the newest without a group',
    (kind) => {
      const unread = filled(kind, 50_000, 10);
      expect(unread.read(0).length).toBeLessThan(1_300);
      const log = filled(kind, 900, 10);
      log.register('slow');
      for (let n = 0; n < 5_000; n++) log.append(record({ name: 'test', kind }, 'k', 'v'), NOW);
      expect(log.read(0)).toHaveLength(5_900);
      log.commit('slow', 5_900);
      expect(log.read(0)).toEqual([]);
    },
  );
});
