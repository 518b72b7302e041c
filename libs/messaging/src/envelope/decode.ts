import { type Message, type MessageClass } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { type ConsumedRecord } from '../broker.js';
import { HEADERS } from './envelope.js';
import { hasNested, passesQuickCheck } from './quick-check.js';

/**
 * Decodes a message. Unknown fields are kept and ignored: the sender may be newer than this reader.
 * @throws ServiceError MESSAGE_UNREADABLE when the bytes are not a JSON object, the type is not in `classes`, or a rule
 * of the class is broken. The error names fields and rules, never values.
 */
export function decode(record: ConsumedRecord, classes: ReadonlyMap<string, MessageClass>): Message {
  const type = classes.get(record.headers[HEADERS.type] ?? '');
  if (type === undefined) throw unreadable('its type is not known to this reader');
  const json = parse(record.value);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw unreadable('it is not a JSON object');
  const message = instantiate(type, json);
  if (passesQuickCheck(type, message)) return message;
  const broken = validateSync(message, { stopAtFirstError: true, validationError: { target: false, value: false } });
  if (broken.length > 0) {
    const rules = broken.map(
      (error) => `${error.property} (${Object.keys(error.constraints ?? { nested: '' }).join()})`,
    );
    throw unreadable(`these fields break a rule of ${type.type}: ${rules.join(', ')}`);
  }
  return message;
}

function parse(value: Buffer): unknown {
  try {
    return JSON.parse(value.toString('utf8'));
  } catch {
    // No cause: its message quotes the text.
    throw unreadable('it is not JSON');
  }
}

function instantiate(type: MessageClass, json: object): Message {
  try {
    return hasNested(type, json) ? plainToInstance(type, json) : instantiateFlat(type, json);
  } catch {
    throw unreadable(`it cannot be converted to ${type.type}`);
  }
}

/** Ignores fields that the class itself defines, such as `__proto__`, so a sender cannot replace them. */
function instantiateFlat(type: MessageClass, json: object): Message {
  const message = new type();
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) if (!(name in type.prototype)) fields[name] = value;
  return Object.assign(message, fields);
}

const unreadable = (why: string): ServiceError =>
  new ServiceError('MESSAGE_UNREADABLE', `a record was not readable: ${why}`, false);
