import { startKafka } from '@countersign/testing';
import { measure } from '../children.js';
import { median, type Latency } from '../figures.js';
import { closingAll } from '../lifetime.js';
import { options } from '../options.js';
import { keep, row, say } from '../report.js';

/** A request and its reply over the product's bus, in turn with the same by kafkajs alone, tuned by hand. */
interface Rate extends Latency {
  readonly perSecond: number;
}

const given = options({ rounds: '5', seconds: '6', brokers: '1' });
const brokers = given.brokers === '3' ? 3 : 1;
say(`starting Apache Kafka (${brokers})…`);
const lines: string[] = [];
const results: object[] = [];
await closingAll(async (onClose) => {
  const kafka = await startKafka({ brokers, optimised: true });
  onClose(() => kafka.close());
  const run = (program: string, inFlight: number, seconds = Number(given.seconds)): Promise<Rate> =>
    measure<Rate>(program, [kafka.brokers.join(','), seconds, inFlight, brokers]);
  say('warming the broker up');
  await run('kafka-round-trip.js', 50, 15);
  for (const inFlight of [1, 50]) {
    const pairs: { bare: Rate; bus: Rate }[] = [];
    for (let round = 1; round <= Number(given.rounds); round++) {
      const bare = await run('kafka-round-trip.js', inFlight);
      const bus = await run('hop-round-trip.js', inFlight);
      pairs.push({ bare, bus });
      say(
        `${inFlight} in flight, round ${round}: ${bus.perSecond.toFixed(0)} of ${bare.perSecond.toFixed(0)} per second`,
      );
    }
    const of = (read: (pair: { bare: Rate; bus: Rate }) => number): number => median(pairs.map(read));
    const share = of(({ bare, bus }) => bus.perSecond / bare.perSecond);
    const times = (which: 'bare' | 'bus'): string =>
      `${of((pair) => pair[which].p50).toFixed(1)} / ${of((pair) => pair[which].p99).toFixed(1)}`;
    lines.push(
      row(
        `${inFlight} in flight, round trips per second: kafkajs by hand`,
        of(({ bare }) => bare.perSecond).toFixed(0),
      ),
      row(`${inFlight} in flight, round trips per second: the bus`, of(({ bus }) => bus.perSecond).toFixed(0)),
      row('  share (median of rounds)', share.toFixed(2)),
      row('  p50 / p99 ms: kafkajs by hand', times('bare')),
      row('  p50 / p99 ms: the bus', times('bus')),
    );
    results.push({ inFlight, share, pairs });
  }
});
process.stdout.write(`\n${brokers} broker(s)\n${lines.join('\n')}\n`);
keep(`hop-${brokers}`, { at: new Date().toISOString(), brokers, results });
