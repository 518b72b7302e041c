import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TOPICS } from '@countersign/contracts';
import { parse } from 'yaml';

const FOLDER = join(process.cwd(), 'examples', 'siem');

type Component = Readonly<Record<string, unknown>> & { readonly type: string; readonly inputs?: readonly string[] };
interface VectorConfig {
  readonly sources: Readonly<Record<string, Component>>;
  readonly transforms: Readonly<Record<string, Component>>;
  readonly sinks: Readonly<Record<string, Component>>;
}

/** Options by type, from the reference of Vector; those that are required first. */
const OPTIONS: Readonly<Record<string, { readonly required: readonly string[]; readonly more: readonly string[] }>> = {
  kafka: {
    required: ['bootstrap_servers', 'topics', 'group_id'],
    more: ['auto_offset_reset', 'headers_key', 'sasl', 'tls'],
  },
  remap: { required: ['inputs', 'source'], more: [] },
  filter: { required: ['inputs', 'condition'], more: [] },
  route: { required: ['inputs', 'route'], more: [] },
  splunk_hec_logs: {
    required: ['inputs', 'endpoint', 'default_token', 'encoding'],
    more: ['index', 'source', 'sourcetype', 'timestamp_key', 'compression', 'acknowledgements'],
  },
  elasticsearch: { required: ['inputs'], more: ['endpoints', 'auth', 'id_key', 'mode', 'bulk', 'acknowledgements'] },
  aws_kinesis_firehose: {
    required: ['inputs', 'stream_name', 'encoding'],
    more: ['region', 'acknowledgements'],
  },
};

const read = (file: string): string => readFileSync(join(FOLDER, file), 'utf8');
const vectorFiles = readdirSync(FOLDER).filter((file) => file.endsWith('.yaml'));

describe('the recipes for SIEM products', () => {
  it('exist for Splunk, Elastic and Amazon Security Lake', () => {
    expect(vectorFiles).toEqual(['vector-elastic.yaml', 'vector-security-lake.yaml', 'vector-splunk.yaml']);
  });

  it.each(vectorFiles)('%s has only known options, reads the topic of events, and every input exists', (file) => {
    const { sources, transforms, sinks } = parse(read(file)) as VectorConfig;
    expect(sources['events']?.['topics']).toEqual([`\${TOPIC_PREFIX:-}${TOPICS.auditEvents.name}`]);
    const routes = Object.entries(transforms).flatMap(([name, { route }]) =>
      Object.keys(route ?? {}).map((output) => `${name}.${output}`),
    );
    const outputs = [...Object.keys(sources), ...Object.keys(transforms), ...routes];
    const used = new Set<string>();
    for (const [name, component] of Object.entries({ ...sources, ...transforms, ...sinks })) {
      const { required, more } = OPTIONS[component.type] ?? { required: ['a known type'], more: [] };
      const options = Object.keys(component).filter((option) => option !== 'type');
      expect({ name, missing: required.filter((option) => !options.includes(option)) }).toEqual({ name, missing: [] });
      expect({ name, unknown: options.filter((option) => ![...required, ...more].includes(option)) }).toEqual({
        ...{ name, unknown: [] },
      });
      for (const input of component.inputs ?? []) {
        expect(outputs).toContain(input);
        used.add(input.split('.')[0] ?? '');
      }
    }
    expect([...used].sort()).toEqual([...Object.keys(sources), ...Object.keys(transforms)].sort());
    for (const sink of Object.values(sinks)) expect(sink['acknowledgements']).toEqual({ enabled: true });
  });

  it.each(readdirSync(FOLDER).filter((file) => /\.(yaml|json)$/.test(file)))(
    '%s takes secrets from the environment',
    (file) => {
      const secrets = [...read(file).matchAll(/(token|password|secret)["']?:\s*["']?(\S+?)["',]*$/gim)].map(
        ([, , value]) => value,
      );
      for (const value of secrets) expect(value).toMatch(/^\$\{(env:)?[A-Z_]+\}$/);
      if (!file.includes('security-lake')) expect(secrets.length).toBeGreaterThan(0);
    },
  );

  it('the connector of Kafka Connect passes the bytes of an event on as they are', () => {
    const { config } = JSON.parse(read('kafka-connect-splunk.json')) as { config: Record<string, string> };
    expect(config['topics']).toBe(TOPICS.auditEvents.name);
    expect(config['value.converter']).toBe('org.apache.kafka.connect.storage.StringConverter');
    expect(config['splunk.hec.ack.enabled']).toBe('true');
  });
});
