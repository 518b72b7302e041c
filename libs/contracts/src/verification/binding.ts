import { type MessageClass } from '../messages/message.js';

/** Fields that are not bound: the limiter adds `quotas`, and `sealed` is the payload itself. */
const NOT_BOUND: ReadonlySet<string> = new Set(['sealed', 'quotas']);

/**
 * The text that a sealed payload is bound to: the type of its message and all other fields, sorted by name. A service that
 * forwards the message cannot change them. Fields that are added to a class later are bound automatically.
 * @param type the class that the sender published; the limiter forwards a request under another type
 */
export function bindingOf(type: MessageClass, fields: object): string {
  const bound = Object.entries(fields)
    .filter(([name, value]) => value !== undefined && !NOT_BOUND.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([type.type, ...bound]);
}
