import { join } from 'node:path';
import { type TestAuthority, type TestCertificate } from './certificates.js';

/** The requirements of a broker for its clients. Brokers use a separate port without them. */
export interface TestKafkaSecurity {
  /** Signs the certificate of the brokers, which is valid for 127.0.0.1 only. */
  readonly authority: TestAuthority;
  /** Names and passwords. Each may log in with PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, over TLS only. */
  readonly users: Readonly<Record<string, string>>;
  /** Clients must also present a certificate of the authority. */
  readonly clientCertificates?: boolean;
  /** Denies everything that no ACL allows. ACLs are created over the inner port. */
  readonly authorize?: boolean;
}

export interface KafkaNode {
  readonly id: number;
  readonly port: number;
  /** The port that it advertises to clients. */
  readonly advertisedPort: number;
  /** Without TLS and password, for the brokers themselves and for the test's own tools. */
  readonly innerPort: number;
  readonly controllerPort: number;
  readonly dir: string;
}

export const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;

/** The text of `server.properties`. */
export function serverProperties(
  node: KafkaNode,
  voters: string,
  size: number,
  security?: { readonly demands: TestKafkaSecurity; readonly certificate: TestCertificate },
): string {
  const replicas = String(size);
  const minInSync = size > 1 ? '2' : '1';
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': voters,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${node.port},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${node.advertisedPort}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'log.dirs': join(node.dir, 'data'),
    'auto.create.topics.enable': 'false',
    'group.initial.rebalance.delay.ms': '0',
    'group.min.session.timeout.ms': '1000',
    'offsets.topic.num.partitions': '5',
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': '5',
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': minInSync,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': minInSync,
    // With the default of 9 s a killed broker needs 11 s to come back.
    'broker.session.timeout.ms': '1500',
    'broker.heartbeat.interval.ms': '300',
    'controlled.shutdown.enable': 'false',
    // The defaults are sized for servers with many cores; tests share two.
    'num.network.threads': '2',
    'num.io.threads': '2',
    'log.cleaner.dedupe.buffer.size': '4194304',
    // By default, two sparse files of 10 MiB per partition: a search of the broker's files would read them all.
    'log.index.size.max.bytes': '65536',
    ...(security ? secured(node, security.demands, security.certificate) : {}),
  };
  return Object.entries(properties)
    .map(([key, value]) => `${key}=${value.replaceAll('\n', '\\n')}\n`)
    .join('');
}

function secured(node: KafkaNode, demands: TestKafkaSecurity, certificate: TestCertificate): Record<string, string> {
  const users = Object.entries(demands.users).map(([name, password]) => ` user_${name}="${password}"`);
  const modules = 'org.apache.kafka.common.security';
  const settings = {
    'sasl.enabled.mechanisms': MECHANISMS.join(','),
    'plain.sasl.jaas.config': `${modules}.plain.PlainLoginModule required${users.join('')};`,
    'scram-sha-256.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
    'scram-sha-512.sasl.jaas.config': `${modules}.scram.ScramLoginModule required;`,
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.certificate.chain': certificate.cert,
    'ssl.keystore.key': certificate.key,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.certificates': demands.authority.pem,
    'ssl.client.auth': demands.clientCertificates === true ? 'required' : 'none',
  };
  const ofListener = Object.entries(settings).map(([key, value]) => [`listener.name.secure.${key}`, value]);
  const [secure, inner] = [`SECURE://127.0.0.1:${node.port}`, `INNER://127.0.0.1:${node.innerPort}`];
  return {
    listeners: `${secure},${inner},CONTROLLER://127.0.0.1:${node.controllerPort}`,
    'advertised.listeners': `${secure},${inner}`,
    'listener.security.protocol.map': 'SECURE:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'INNER',
    ...(Object.fromEntries(ofListener) as Record<string, string>),
    ...(demands.authorize === true
      ? {
          'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
          'allow.everyone.if.no.acl.found': 'false',
          // Clients of the ports without a password.
          'super.users': 'User:ANONYMOUS',
        }
      : {}),
  };
}

/** Arguments of the storage tool that write the users into a new cluster. */
export function scramUsers(demands: TestKafkaSecurity): string[] {
  return Object.entries(demands.users).flatMap(([name, password]) =>
    MECHANISMS.filter((mechanism) => mechanism !== 'PLAIN').flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  );
}
