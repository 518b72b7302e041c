import { readFileSync } from 'node:fs';
import { CallStateAnswered, message, VerificationDecided } from '@countersign/contracts';
import { keypadReply, replyTo, stateReply, transferReply, type SwaigReply } from './swaig-reply.js';
import { examplePolicy } from '../../test/test-policy.js';

interface Recorded {
  readonly response?: string;
  readonly action?: readonly Record<string, unknown>[];
  readonly post_process?: boolean;
}

/** What the result class of the platform's own SDK made when each of its methods was called. */
const file = new URL('../../samples/actions.json', import.meta.url);
const { results } = JSON.parse(readFileSync(file, 'utf8')) as { results: Record<string, Recorded> };

/** The one action of a method, and what is in it. */
function recorded(name: string): Record<string, unknown> {
  const [action] = results[name]?.action ?? [];
  if (!action) throw new Error(`there is no record of ${name}`);
  return action;
}

/** Names and types of the members, as deep as they go; what stands for free content is taken from `free`. */
function shape(value: unknown, free: readonly string[] = []): unknown {
  if (Array.isArray(value)) return [...new Set(value.map((item) => JSON.stringify(shape(item, free))))];
  if (typeof value !== 'object' || value === null) return typeof value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, free.includes(name) ? 'free' : shape(inner, free)]),
  );
}

const policy = examplePolicy();
const decided = message(VerificationDecided, {
  commandId: 'command-1',
  outcome: 'verified',
  level: 'verified',
  subjectId: 'cust-1',
  verificationId: 'v-1',
});
const actions = ({ action = [] }: SwaigReply): Record<string, unknown>[] => action.map((one) => ({ ...one }));

describe('an action', () => {
  it('that connects a call is that of connect(), field by field', () => {
    const [phone] = actions(transferReply(policy, 'billing', '+15551234567'));
    expect(phone).toEqual(recorded('connect/final default'));
    const [sip] = actions(transferReply(policy, 'support', 'sip:agent@example.com'));
    const expected = recorded('connect/final=True sip + from');
    expect(shape(sip, ['connect'])).toEqual(shape(expected, ['connect']));
    expect(actions(replyTo(message(VerificationDecided, { ...decided, outcome: 'locked' }), policy))[0]).toEqual({
      ...recorded('connect/final default'),
      SWML: { sections: { main: [{ connect: { to: 'sip:support@example.com' } }] }, version: '1.0.0' },
    });
  });

  it('of a success has the forms of update_global_data(), set_metadata() and toggle_functions()', () => {
    const [data, meta, toggles] = actions(
      replyTo(message(VerificationDecided, { ...decided, receipt: 'a.b.c' }), policy),
    );
    const free = ['set_global_data', 'set_meta_data'];
    expect(shape(data, free)).toEqual(shape(recorded('update_global_data'), free));
    expect(shape(meta, free)).toEqual(shape(recorded('set_metadata'), free));
    expect(shape(toggles)).toEqual(shape(recorded('toggle_functions')));
    expect(meta).toEqual({ set_meta_data: { receipt: 'a.b.c' } });
  });

  it('of a status and of a rejection has the form of update_global_data()', () => {
    const state = message(CallStateAnswered, { verified: false, level: 'none' });
    const rejected = message(VerificationDecided, { ...decided, outcome: 'rejected', level: 'none' });
    for (const reply of [stateReply(state, policy), replyTo(rejected, policy)]) {
      expect(actions(reply)).toEqual([{ set_global_data: { verified: false } }]);
    }
    expect(recorded("PSEUDO add_action('set_global_data', {...})")).toEqual({ set_global_data: { verified: true } });
  });

  it('that runs a document comes back to the agent, as execute_swml() without a transfer', () => {
    const [keypad] = actions(keypadReply(policy, 'https://verify.example.com/swaig/capture/t'));
    expect(shape(keypad, ['main'])).toEqual(shape(recorded('execute_swml/dict'), ['main']));
  });

  it('is never a transfer to a destination, which the platform would take for a section', () => {
    const replies = [transferReply(policy, 'billing', '+12025550100'), replyTo(decided, policy)];
    for (const action of replies.flatMap(actions)) expect(action['transfer']).not.toBeInstanceOf(Object);
  });
});
