import { join } from 'node:path';
import { eventExamples } from '@countersign/testing';
import { openPython, run } from './python.js';

/** Reads records as JSON lines, and writes what the SDK reads in them, and the headers that it would send itself. */
const PROGRAM = `
import json, sys
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
for line in sys.stdin:
    record = json.loads(line)
    headers = {name: text.encode() for name, text in record["headers"].items()}
    event = from_binary_event(KafkaMessage(headers=headers, key=None, value=json.dumps(record["value"]).encode()))
    sent = {name: text.decode() for name, text in to_binary_event(event).headers.items()}
    attributes = {name: str(value) for name, value in event.get_attributes().items()}
    print(json.dumps({"attributes": attributes, "data": event.get_data(), "sent": sent}))
`;

interface Read {
  readonly attributes: Readonly<Record<string, string>>;
  readonly data: unknown;
  readonly sent: Readonly<Record<string, string>>;
}

test('the Python SDK of CloudEvents reads the attributes and the data of every kind, and sends the same headers', async () => {
  const python = await openPython('cloudevents', ['cloudevents==2.2.0']);
  if ('missing' in python) {
    process.stderr.write(`NOT RUN: the SDK of CloudEvents did not read events: ${python.missing}\n`);
    return;
  }
  const records = [...eventExamples().values()];
  const input = records.map((record) => `${JSON.stringify(record)}\n`).join('');
  const { code, output } = await run(join(python.bin, 'python'), ['-c', PROGRAM], { input });
  expect([code, code === 0 ? '' : output]).toEqual([0, '']);
  const read = output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Read);
  expect(read).toHaveLength(records.length);
  for (const [index, { headers, value }] of records.entries()) {
    const { attributes, data, sent } = read[index] as Read;
    expect(data).toEqual(value);
    expect(attributes).toMatchObject({
      id: headers['ce_id'],
      type: headers['ce_type'],
      datacontenttype: 'application/json',
      dataschema: headers['ce_dataschema'],
      tenant: headers['ce_tenant'],
      sequence: headers['ce_sequence'],
    });
    // The SDK writes the time with microseconds.
    expect({ ...sent, ce_time: new Date(sent['ce_time'] ?? '').toISOString() }).toEqual(headers);
  }
}, 300_000);
