import { type Message, type MessageClass } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { type ConsumedRecord } from '../broker.js';
import { HEADERS } from './envelope.js';
import { hasNested, passesQuickCheck } from './quick-check.js';

/**
 * Reads a message back. Unknown fields are kept and ignored: a newer sender may know more than this reader.
 * @throws ServiceError MESSAGE_UNREADABLE when the bytes are no JSON object, the type is none of `classes`, or a rule of
 * the class is broken. The error names fields and rules, never values.
 */
export function decode(record: ConsumedRecord, classes: ReadonlyMap<string, MessageClass>): Message {
  const type = classes.get(record.headers[HEADERS.type] ?? '');
  if (type === undefined) throw unreadable('its type is not one that this reader knows');
  const plain = parse(record.value);
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain)) throw unreadable('it is not a JSON object');
  const message = instantiate(type, plain);
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
    // The cause quotes the text.
    throw unreadable('it is not JSON');
  }
}

function instantiate(type: MessageClass, plain: object): Message {
  try {
    return hasNested(type, plain) ? plainToInstance(type, plain) : assigned(type, plain);
  } catch {
    throw unreadable(`it cannot be made a ${type.type}`);
  }
}

/** Fields that the class itself has, `__proto__` among them, are not those of a sender. */
function assigned(type: MessageClass, plain: object): Message {
  const message = new type();
  const fields: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(plain)) if (!(name in type.prototype)) fields[name] = value;
  return Object.assign(message, fields);
}

const unreadable = (why: string): ServiceError =>
  new ServiceError('MESSAGE_UNREADABLE', `a record was not readable: ${why}`, false);
