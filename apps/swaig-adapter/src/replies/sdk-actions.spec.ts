import { readFileSync } from 'node:fs';
import { CallStateAnswered, message, VerificationDecided } from '@countersign/contracts';
import { keypadReply, decisionReply, stateReply, transferReply, type SwaigReply } from './swaig-reply.js';
import { examplePolicy } from '../../test/test-policy.js';

interface SdkResult {
  readonly response?: string;
  readonly action?: readonly Record<string, unknown>[];
  readonly post_process?: boolean;
}

/** The output of each method of the result class in the platform's SDK. */
const file = new URL('../../samples/actions.json', import.meta.url);
const { results } = JSON.parse(readFileSync(file, 'utf8')) as { results: Record<string, SdkResult> };

/** The single action that a method of the SDK produces. */
function sdkAction(name: string): Record<string, unknown> {
  const [action] = results[name]?.action ?? [];
  if (!action) throw new Error(`samples/actions.json has no action of ${name}`);
  return action;
}

/** The names and types of all nested members. Members in `free` may have any content. */
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

describe('the actions of a reply', () => {
  it('connect a call with the fields of connect() in the SDK', () => {
    const [phone] = actions(transferReply(policy, 'billing', '+15551234567'));
    expect(phone).toEqual(sdkAction('connect/final default'));
    const [sip] = actions(transferReply(policy, 'support', 'sip:agent@example.com'));
    const expected = sdkAction('connect/final=True sip + from');
    expect(shape(sip, ['connect'])).toEqual(shape(expected, ['connect']));
    expect(actions(decisionReply(message(VerificationDecided, { ...decided, outcome: 'locked' }), policy))[0]).toEqual({
      ...sdkAction('connect/final default'),
      SWML: { sections: { main: [{ connect: { to: 'sip:support@example.com' } }] }, version: '1.0.0' },
    });
  });

  it('for a success have the shapes of update_global_data(), set_metadata() and toggle_functions()', () => {
    const [data, meta, toggles] = actions(
      decisionReply(message(VerificationDecided, { ...decided, receipt: 'a.b.c' }), policy),
    );
    const free = ['set_global_data', 'set_meta_data'];
    expect(shape(data, free)).toEqual(shape(sdkAction('update_global_data'), free));
    expect(shape(meta, free)).toEqual(shape(sdkAction('set_metadata'), free));
    expect(shape(toggles)).toEqual(shape(sdkAction('toggle_functions')));
    expect(meta).toEqual({ set_meta_data: { receipt: 'a.b.c' } });
  });

  it('for a status and a rejection have the shape of update_global_data()', () => {
    const state = message(CallStateAnswered, { verified: false, level: 'none' });
    const rejected = message(VerificationDecided, { ...decided, outcome: 'rejected', level: 'none' });
    for (const reply of [stateReply(state, policy), decisionReply(rejected, policy)]) {
      expect(actions(reply)).toEqual([{ set_global_data: { verified: false } }]);
    }
    expect(sdkAction("PSEUDO add_action('set_global_data', {...})")).toEqual({ set_global_data: { verified: true } });
  });

  it('for a keypad entry return to the agent, like execute_swml() without a transfer', () => {
    const [keypad] = actions(keypadReply(policy, 'https://verify.example.com/swaig/capture/t'));
    expect(shape(keypad, ['main'])).toEqual(shape(sdkAction('execute_swml/dict'), ['main']));
  });

  it('never use a transfer object, because the platform would read its destination as a section', () => {
    const replies = [transferReply(policy, 'billing', '+12025550100'), decisionReply(decided, policy)];
    for (const action of replies.flatMap(actions)) expect(action['transfer']).not.toBeInstanceOf(Object);
  });
});
