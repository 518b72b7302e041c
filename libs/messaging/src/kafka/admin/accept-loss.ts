import { ServiceError } from '@countersign/runtime';
import { type AcceptedLoss } from '../../broker.js';
import { brokerUnavailable } from '../../request-reply/bus-errors.js';
import { groupOffsets, recordsLostError } from '../consumer/group-offsets.js';
import { type KafkaClient } from '../kafka-client.js';
import { type TopicNames } from './topic-names.js';

/** Sets a group's offsets that are outside the log to the beginning of the log. */
export async function acceptLoss(
  client: KafkaClient,
  names: TopicNames,
  group: string,
  dryRun: boolean,
): Promise<AcceptedLoss[]> {
  const groupId = names.inCluster(group);
  try {
    const topics = await client.withAdmin(async (admin) => {
      const described = await admin.describeGroups([groupId]);
      if (!dryRun && described.groups.some(({ members }) => members.length > 0)) {
        const advice = 'stop every copy of the service, wait until their sessions have ended, and run this again';
        throw new ServiceError('INTERNAL', `group ${group} has members: ${advice}`, false);
      }
      const committed = await admin.fetchOffsets({ groupId });
      if (committed.length === 0 && described.groups.every(({ members }) => members.length === 0)) {
        throw new ServiceError('INTERNAL', `there is no group ${group}: a group has the name of its service`, false);
      }
      return committed.map(({ topic }) => topic);
    });
    const lost = (await groupOffsets(client, groupId, topics)).filter(
      (offsets) => recordsLostError(group, offsets.topic, offsets, 0) !== undefined,
    );
    if (!dryRun) {
      await client.withAdmin(async (admin) => {
        for (const { topic, partition, low } of lost) {
          await admin.setOffsets({ groupId, topic, partitions: [{ partition, offset: String(low) }] });
        }
      });
    }
    return lost.map(({ topic, partition, committed, low }) => ({
      ...{ topic: names.onBus(topic), partition, from: committed ?? 0, to: low },
    }));
  } catch (error) {
    throw error instanceof ServiceError ? error : brokerUnavailable('describe a group', error);
  }
}
