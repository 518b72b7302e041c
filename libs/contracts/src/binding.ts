import { type MessageClass } from './message.js';

/** Added on the path by services that are not the sender: the limiter writes `quotas`. `sealed` is what gets bound. */
const NOT_BOUND: ReadonlySet<string> = new Set(['sealed', 'quotas']);

/**
 * The text that a sealed payload is bound to: the type of its message and every field beside it, sorted by name. Whoever
 * forwards the message can change none of them, and fields that are added to a class later are bound without further work.
 * @param type the class that the sender published; the limiter forwards a request under another type
 */
export function bindingOf(type: MessageClass, fields: object): string {
  const bound = Object.entries(fields)
    .filter(([name, value]) => value !== undefined && !NOT_BOUND.has(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([type.type, ...bound]);
}
