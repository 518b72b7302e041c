import { type TopicSpec } from '@countersign/contracts';
import { brokerContract } from '../../test/broker.contract.js';
import { busContract } from '../../test/bus.contract.js';
import { Gate, throwFatal, record, until, type ContractWorld } from '../../test/contract-world.js';
import { deadLettersContract } from '../../test/dead-letters.contract.js';
import { fairnessContract } from '../../test/fairness.contract.js';
import { consumerStatsContract } from '../../test/consumer-stats.contract.js';
import { requestReplyContract } from '../../test/request-reply.contract.js';
import { MemoryBroker } from './memory-broker.js';

const open = (): Promise<ContractWorld> => {
  // One broker serves all processes of the contract.
  const broker = new MemoryBroker();
  return Promise.resolve({ broker: () => broker, close: () => broker.close() });
};

describe('MemoryBroker', () => {
  describe('broker contract', () => brokerContract(open));
  describe('request and reply', () => requestReplyContract(open));
  describe('dead letters', () => deadLettersContract(open));
  describe('consumer stats', () => consumerStatsContract(open));
  describe('fairness', () => fairnessContract(open));
  describe('server and client', () => busContract(open));

  describe('with facts', () => {
    const FACTS: TopicSpec = { name: 'test.facts', kind: 'fact' };

    it('resolves the send of a fact only when every group that ever consumed has handled it', async () => {
      const broker = new MemoryBroker();
      await broker.ensureTopics([FACTS]);
      await broker.send([record(FACTS, 'k', 'before any group consumes')]);
      const gates = { one: new Gate(), two: new Gate() };
      let handled = 0;
      const consume = (group: 'one' | 'two') =>
        broker.consume({ group, topics: [FACTS.name], onFatal: throwFatal }, async () => {
          await gates[group].opened;
          handled++;
        });
      await consume('one');
      const leaver = await consume('two');
      await leaver.close(0);
      let sent = false;
      const sending = broker.send([record(FACTS, 'k', 'v')]).then(() => (sent = true));
      gates.one.open();
      await until(() => handled === 2, 'the first group done');
      expect(sent).toBe(false);
      gates.two.open();
      await consume('two');
      await sending;
      expect(handled).toBe(4);
      await broker.close();
    });

    it('rejects the send of an unhandled fact when the broker closes', async () => {
      const broker = new MemoryBroker();
      await broker.ensureTopics([FACTS]);
      const group = await broker.consume({ group: 'g', topics: [FACTS.name], onFatal: throwFatal }, () =>
        Promise.resolve(),
      );
      await group.close();
      const sending = broker.send([record(FACTS, 'k', 'v')]);
      const refused = expect(sending).rejects.toMatchObject({ code: 'BROKER_UNAVAILABLE', retriable: true });
      await broker.close();
      await refused;
    });
  });

  it('shares no buffer between sender and readers', async () => {
    const broker = new MemoryBroker();
    const topic: TopicSpec = { name: 'test.bytes', kind: 'state' };
    await broker.ensureTopics([topic]);
    const sent = record(topic, 'k', 'aaaa');
    await broker.send([sent]);
    sent.value.fill('x');
    const seen: string[] = [];
    const spoil = async (): Promise<void> => {
      const follower = await broker.follow(
        topic.name,
        ({ value }) => {
          seen.push(value.toString());
          value.fill('y');
        },
        throwFatal,
      );
      await follower.caughtUp;
    };
    await spoil();
    await spoil();
    expect(seen).toEqual(['aaaa', 'aaaa']);
    await broker.close();
  });
});
