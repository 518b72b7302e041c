import { setTimeout as pause } from 'node:timers/promises';
import { CLOCK, DEAD_LETTERS } from '@countersign/contracts';
import { kafkaOptions, topicsOf } from '@countersign/hosting';
import { ClusterInspector, type GroupInspection, type KafkaRight } from '@countersign/messaging';
import { type ClockOffset } from './clock-check.js';
import { type ExaminedInstallation, type ExaminedService } from './installation.js';
import { type CheckResult, type Report } from './report.js';

type BrokerProblem = CheckResult['problems'][number];

const CHECKS = ['topics', 'kafka-rights', 'groups', 'dead-letters'] as const;
/** A group that finishes no record in this time, in milliseconds, is stuck. */
const PROGRESS_MS = 3_000;
const DAY_MS = 86_400_000;

/** What the checks of the broker hand on to others. */
export interface BrokerState {
  readonly clock: ClockOffset | undefined;
  readonly certificates: ReadonlyMap<string, Date>;
  /** Why the clock was not compared; empty when it was. */
  readonly reason: string;
}

/** The cluster, the topics, the rights of the user, and how far the consumer groups are. */
export async function checkBroker(report: Report, installation: ExaminedInstallation): Promise<BrokerState> {
  const none = (reason: string): BrokerState => ({ clock: undefined, certificates: new Map(), reason });
  const skipAll = (reason: string): BrokerState => {
    for (const check of CHECKS) report.skip(check, reason);
    return none(reason);
  };
  const { services, dataDir, environment } = installation;
  if (dataDir !== undefined && !environment['KAFKA_BROKERS'] && !environment['KAFKA_BROKERS_FILE']) {
    await report.run('broker', () => ({
      ok: 'the in-process bus of npm start, which ends with the product',
      problems: [],
    }));
    return none('');
  }
  const [first] = services;
  if (first === undefined || first.faults.some((fault) => /^(KAFKA|TOPIC|COMMAND_|AUDIT_R)/.test(fault))) {
    report.skip('broker', 'its settings are wrong, see settings');
    return skipAll('the settings of the broker are wrong');
  }
  const options = kafkaOptions('doctor', first.settings);
  const cluster = new ClusterInspector(options);
  const isUp = await report.run('broker', async () => {
    const { brokers, clusterId } = await cluster.cluster();
    const login = options.security?.login ? `, login with ${options.security.login.mechanism}` : '';
    const tls = options.security?.tls ? 'over TLS' : 'without TLS';
    return {
      ok: `${brokers} ${brokers === 1 ? 'broker' : 'brokers'} of the cluster ${clusterId}, ${tls}${login}`,
      problems: [],
    };
  });
  if (!isUp) return skipAll('the broker is not available');
  const wanted = [...new Set([...services.flatMap(({ needs }) => topicsOf(needs.bus)), CLOCK])];
  let missing: readonly string[] = [];
  await report.run('topics', async () => {
    const found = await cluster.topics(wanted);
    missing = found.missing;
    return topicsResult(found, wanted.length);
  });
  const rightsAnswered = await report.run('kafka-rights', () => checkRights(cluster, services));
  if (!rightsAnswered && report.findings.at(-1)?.text.startsWith('there was no answer'))
    return skipAll('the broker stopped answering');
  const exists = (name: string): boolean => !missing.includes(`${first.settings.TOPIC_PREFIX}${name}`);
  await report.run('groups', () => checkGroups(cluster, services, exists));
  if (exists(DEAD_LETTERS.name)) await report.run('dead-letters', () => checkDeadLetters(cluster));
  else report.skip('dead-letters', 'the topic does not exist, see topics');
  const certificates = await cluster.certificates();
  if (!services.some(({ needs }) => needs.bus.writes.includes(CLOCK)) || !exists(CLOCK.name)) {
    const reason = exists(CLOCK.name) ? 'these services may not write to its topic' : 'its topic does not exist';
    return { clock: undefined, certificates, reason };
  }
  try {
    const clock = await cluster.clockOffset();
    return { clock, certificates, reason: clock ? '' : 'its topic keeps the time of the sender, see topics' };
  } catch (error) {
    return { clock: undefined, certificates, reason: (error as Error).message };
  }
}

function topicsResult(
  { missing, drifts, areSettingsKnown, unhealthy }: Awaited<ReturnType<ClusterInspector['topics']>>,
  wanted: number,
): CheckResult {
  const problems: BrokerProblem[] = missing.map((topic) => ({
    status: 'failed',
    text: `topic ${topic} does not exist`,
    cure: 'restart a service that uses it and has the right CREATE: docs/operations.md, "Topics"',
  }));
  for (const { problem, cure, isFault } of drifts) {
    problems.push({ status: isFault ? 'failed' : 'warning', text: problem, cure });
  }
  for (const text of unhealthy) {
    problems.push({
      status: 'failed',
      text,
      cure: 'look at the brokers that lead or hold them, and restart those that are down',
    });
  }
  if (!areSettingsKnown) {
    const text = 'the settings of the topics were not compared: the user may not describe them';
    problems.push({
      status: 'warning',
      text,
      cure: 'grant DESCRIBE_CONFIGS on them: docs/security.md, "Rights on Kafka"',
    });
  }
  return { ok: `${wanted} exist as they should`, problems };
}

/** The rights that docs/security.md lists for a service. */
export function rightsOf({ name, bus }: ExaminedService['needs']): KafkaRight[] {
  const topic = (operation: KafkaRight['operation']) => (spec: { readonly name: string }) => ({
    ...{ resource: 'topic' as const, name: spec.name, operation },
  });
  const group = (id: string): KafkaRight => ({ resource: 'group', name: id, operation: 'READ' });
  const address = `replies.${name}.doctor`;
  return [
    ...[...new Set([...Object.values(bus.consumes).flat(), ...bus.follows])].map(topic('READ')),
    ...bus.writes.map(topic('WRITE')),
    ...Object.keys(bus.consumes).map(group),
    ...bus.follows.map((spec) => group(`follow.${spec.name}.doctor`)),
    // Reply topics come and go, and the brokers state little about one that does not exist.
    ...(bus.replies === 'receives' ? [topic('ANY')({ name: address }), group(address)] : []),
    ...(bus.replies === 'sends' ? [topic('ANY')({ name: 'replies.doctor' })] : []),
  ];
}

async function checkRights(cluster: ClusterInspector, services: readonly ExaminedService[]): Promise<CheckResult> {
  const problems: BrokerProblem[] = [];
  for (const { needs, settings } of services) {
    for (const { resource, name, operation } of await cluster.missingRights(rightsOf(needs))) {
      const user = settings.KAFKA_USERNAME ?? 'USER';
      const isPrefixed = name.endsWith('doctor');
      const on = isPrefixed ? `${name.replace(/doctor$/, '')} --resource-pattern-type prefixed` : name;
      const right =
        operation === 'ANY'
          ? needs.bus.replies === 'sends'
            ? 'WRITE'
            : 'READ --operation WRITE --operation CREATE --operation DELETE'
          : operation;
      problems.push({
        status: 'failed',
        text: `the user ${user} lacks ${operation === 'ANY' ? 'every right' : operation} on ${resource} ${name}, which ${needs.name} needs`,
        cure: `kafka-acls.sh --bootstrap-server BROKER --add --allow-principal User:${user} --operation ${right} --${resource} ${on}`,
      });
    }
  }
  return { ok: `the user has the rights of ${services.map(({ needs }) => needs.name).join(', ')}`, problems };
}

/** Looks twice when records wait, because a busy group is no stuck group. */
async function checkGroups(
  cluster: ClusterInspector,
  services: readonly ExaminedService[],
  exists: (topic: string) => boolean,
): Promise<CheckResult> {
  const groups = services.flatMap(({ needs }) =>
    Object.entries(needs.bus.consumes).map(([group, topics]) => ({
      ...{ group, service: needs.name, topics: topics.map(({ name }) => name).filter(exists) },
    })),
  );
  const inspect = (): Promise<GroupInspection[]> =>
    Promise.all(groups.map(({ group, topics }) => cluster.group(group, topics)));
  const before = await inspect();
  const waits = before.some(({ lag, members }) => lag > 0 && members > 0);
  if (waits) await pause(PROGRESS_MS);
  const after = waits ? await inspect() : before;
  const problems = after.flatMap((now, index): BrokerProblem[] => {
    const { group, lag, lost, members } = now;
    const service = groups[index]?.service ?? group;
    if (lost !== undefined) {
      const cure = `npm run countersign -- groups accept-loss ${group} --dry-run, and docs/operations.md, "Lost records"`;
      return [{ status: 'failed', text: lost.split('. ')[0] ?? lost, cure }];
    }
    if (lag === 0) return [];
    if (members === 0) {
      return [
        {
          status: 'warning',
          text: `${lag} records wait for the group ${group}, which has no member`,
          cure: `start ${service}`,
        },
      ];
    }
    if (!isStuck(before[index], now)) return [];
    const text = `the group ${group} is stuck: ${lag} records wait, and it finished none in ${PROGRESS_MS / 1000} s`;
    const cure = `read the log of ${service} and countersign_records_retrying; check the database; then restart ${service}`;
    return [{ status: 'failed', text, cure }];
  });
  const states = after.map(({ group, lag, members }) => `${group} ${members === 0 ? 'stopped' : `lag ${lag}`}`);
  return { ok: states.join(', ') || 'these services consume nothing', problems };
}

/** Whether no partition with waiting records has moved. */
function isStuck(before: GroupInspection | undefined, now: GroupInspection): boolean {
  const waiting = [...now.next].filter(([partition]) => before?.next.has(partition));
  return waiting.length > 0 && waiting.every(([partition, next]) => before?.next.get(partition) === next);
}

async function checkDeadLetters(cluster: ClusterInspector): Promise<CheckResult> {
  const [all, recent] = [await cluster.deadLetters(0), await cluster.deadLetters(Date.now() - DAY_MS)];
  if (recent === 0) return { ok: `none in the last 24 hours, ${all} earlier`, problems: [] };
  const text = `${recent} records could not be handled in the last 24 hours`;
  const cure = 'npm run countersign -- dead-letters list, and docs/operations.md, "Dead letters"';
  return { ok: '', problems: [{ status: 'warning', text, cure }] };
}
