import { readFileSync } from 'node:fs';
import { type Right } from '../libs/messaging/test/kafka-rights.js';

/** The rights of each service in the table of docs/security.md. */
export function documentedRights(topicPrefix: string): readonly Right[] {
  const [, after = ''] = readFileSync('docs/security.md', 'utf8').split('\n### Rights on Kafka\n');
  const rows = (after.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  return rows.flatMap((row) => {
    const [[user = ''] = [], reads = [], writes = [], groups = []] = row.split('|').slice(1, -1).map(namesIn);
    const named = (name: string): string => topicPrefix + name;
    const topics = [...new Set([...reads, ...writes])].filter((name) => name !== 'replies.*');
    const right = (resource: Right['resource'], operation: Right['operation']) => (name: string) => ({
      ...{ user, resource, operation, name: named(name) },
    });
    return [
      ...reads.map(right('topic', 'READ')),
      ...writes.map(right('topic', 'WRITE')),
      ...groups.map(right('group', 'READ')),
      ...topics.map(right('topic', 'CREATE')),
      ...topics.map(right('topic', 'DESCRIBE_CONFIGS')),
      ...topics.filter((name) => name.startsWith('replies.')).map(right('topic', 'DELETE')),
    ];
  });
}

const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
