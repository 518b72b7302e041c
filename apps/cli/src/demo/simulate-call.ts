import { randomUUID } from 'node:crypto';
import { type Write } from '../terminal/terminal.js';

/** What a simulated call needs; the rest is made up. */
export interface SimulatedCall {
  /** Address of the adapter, without `/swaig`. */
  readonly url: string;
  readonly agent: string;
  readonly password: string;
  /** Number of the caller, E.164. */
  readonly caller: string;
  readonly pin: string;
  readonly customer?: string;
  /** Department to ask for at the end; none: the first of the policy. */
  readonly department?: string;
}

interface Reply {
  readonly response?: string;
  readonly action?: readonly Readonly<Record<string, unknown>>[];
}

interface Definition {
  readonly function: string;
  readonly parameters?: { readonly properties?: { readonly department?: { readonly enum?: readonly string[] } } };
}

/** Longest wait for one answer, in milliseconds: the platform gives up after about as long. */
const PATIENCE_MS = 30_000;
/** What the platform puts before an answer when it shows it to the language model. */
const BEFORE_ANSWER = 'Tool result below. Remain in the same language.';

/**
 * Plays a whole call against a running adapter in the way the platform does: signature request, start hook, a wrong PIN,
 * the right one, status, transfer, hang-up. Shows each request, each answer and what the language model would read. PINs
 * are shown as dots and the password not at all.
 * @returns whether the call went as a call with these credentials should: refused, then verified, then connected
 */
export async function simulateCall(call: SimulatedCall, write: Write): Promise<boolean> {
  const session = { call_id: randomUUID(), ai_session_id: randomUUID() };
  const offered = await post<readonly Definition[]>(call, { action: 'get_signature', functions: [] });
  write(`call ${session.call_id} from ${call.caller}\nfunctions: ${offered.map((one) => one.function).join(', ')}\n`);

  const ask = async (name: string, args: Record<string, string>, after = false): Promise<Reply> => {
    const raw = JSON.stringify(args);
    const body = { ...platformFields(call, session, after), function: name, argument: { parsed: [args], raw } };
    const reply = await post<Reply>(call, body);
    write(shown(name, args, reply));
    return reply;
  };
  const guess = (pin: string): Promise<Reply> =>
    ask('verify_pin', call.customer === undefined ? { pin } : { pin, customer_id: call.customer });

  await ask('startup_hook', {});
  const wrong = await guess(otherPin(call.pin));
  const right = await guess(call.pin);
  const status = await ask('verification_status', {});
  const departments = offered.find((one) => one.function === 'request_transfer')?.parameters?.properties?.department
    ?.enum;
  const department = call.department ?? departments?.[0];
  const transfer = department === undefined ? undefined : await ask('request_transfer', { department });
  await ask('hangup_hook', {}, true);

  const checks: readonly [string, boolean][] = [
    ['the wrong PIN is refused', isRefused(wrong)],
    ['the right PIN is verified', succeeded(right)],
    ['the status says so', succeeded(status)],
    ...(transfer === undefined ? [] : [['the transfer connects', connects(transfer)] as [string, boolean]]),
  ];
  for (const [promise, kept] of checks) write(`${kept ? 'yes' : 'NO '}  ${promise}`);
  if (transfer === undefined) write('not tried: a transfer, for which the policy names no destination');
  return checks.every(([, kept]) => kept);
}

/** {@link simulateCall} on the terminal. A failure is one line on standard error, and exit code 1. */
export async function simulate(call: SimulatedCall): Promise<void> {
  try {
    if (call.password === '') throw new Error('SIMULATE_PASSWORD must be the password of the agent');
    if (!/^\d{4,8}$/.test(call.pin)) throw new Error('SIMULATE_PIN must be the PIN of the customer, 4 to 8 digits');
    if (!(await simulateCall(call, (text) => void process.stdout.write(`${text}\n`)))) process.exitCode = 1;
  } catch (error) {
    const unreachable = error instanceof TypeError || (error as Error).name === 'TimeoutError';
    process.stderr.write(`${unreachable ? 'There is no answer: check --url' : (error as Error).message}\n`);
    process.exitCode = 1;
  }
}

async function post<T>({ url, agent, password }: SimulatedCall, body: unknown): Promise<T> {
  const response = await fetch(`${url.replace(/\/+$/, '').replace(/\/swaig$/, '')}/swaig`, {
    method: 'POST',
    headers: {
      authorization: `Basic ${Buffer.from(`${agent}:${password}`).toString('base64')}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.status === 401) {
    throw new Error('The adapter refused the credentials: check --agent and the password in SIMULATE_PASSWORD');
  }
  if (!response.ok) throw new Error(`The adapter answered with ${response.status}: check --url`);
  return (await response.json()) as T;
}

/** The fields that the platform adds to every call of a function. */
function platformFields(call: SimulatedCall, session: Record<string, string>, over: boolean): Record<string, unknown> {
  return {
    app_name: 'simulated call',
    content_type: 'text/swaig',
    content_disposition: 'SWAIG Function',
    version: '2.0',
    ...session,
    caller_id_num: call.caller,
    channel_active: !over,
    channel_offhook: !over,
    channel_ready: !over,
  };
}

function shown(name: string, args: Readonly<Record<string, string>>, reply: Reply): string {
  const hidden = Object.fromEntries(
    Object.entries(args).map(([key, value]) => [key, key === 'pin' ? '•'.repeat(value.length) : value]),
  );
  const lines = [`→ ${name} ${JSON.stringify(hidden)}`, `← ${JSON.stringify(withoutReceipt(reply))}`];
  return [...lines, `   the model reads: ${BEFORE_ANSWER} ${reply.response ?? ''}`, ''].join('\n');
}

/** A receipt is a secret: it says that it is there, and no more. */
function withoutReceipt(reply: Reply): Reply {
  if (reply.action === undefined) return reply;
  const action = reply.action.map((one) => ('set_meta_data' in one ? { set_meta_data: { receipt: '…' } } : one));
  return { ...reply, action };
}

/** A PIN of the same length that differs in its last digit. */
function otherPin(pin: string): string {
  return `${pin.slice(0, -1)}${(Number(pin.slice(-1)) + 1) % 10}`;
}

/** Not merely unanswered: a refusal for another reason, such as a limit, has no action. */
function isRefused(reply: Reply): boolean {
  return (reply.action ?? []).some(
    (one) => (one['set_global_data'] as { verified?: unknown } | undefined)?.verified === false,
  );
}

function succeeded(reply: Reply): boolean {
  return (reply.action ?? []).some(
    (one) => (one['set_global_data'] as { verified?: unknown } | undefined)?.verified === true,
  );
}

function connects(reply: Reply): boolean {
  return (reply.action ?? []).some((one) => one['transfer'] === 'true');
}
