import { randomUUID } from 'node:crypto';
import { type Write } from '../terminal/terminal.js';

/** The input of a simulated call; all other fields are generated. */
export interface SimulatedCall {
  /** Address of the adapter, without `/swaig`. */
  readonly url: string;
  readonly agent: string;
  readonly password: string;
  /** Number of the caller, E.164. */
  readonly caller: string;
  readonly pin: string;
  readonly customer?: string;
  /** Department to transfer to. Default: the first of the policy. */
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

/** Time limit for one response in milliseconds, about that of the platform. */
const RESPONSE_TIMEOUT_MS = 30_000;
/** The platform's prefix of a response for the language model. */
const RESPONSE_PREFIX = 'Tool result below. Remain in the same language.';

/**
 * Runs a whole call against a running adapter as the platform does: signature request, start hook, a wrong PIN, the right PIN,
 * status, transfer, hang-up. Shows each request, each response and the text for the language model. Shows PINs as dots, and
 * never the password.
 * @returns whether the wrong PIN was refused, the right PIN verified and the transfer connected
 */
export async function simulateCall(call: SimulatedCall, write: Write): Promise<boolean> {
  const session = { call_id: randomUUID(), ai_session_id: randomUUID() };
  const offered = await post<readonly Definition[]>(call, { action: 'get_signature', functions: [] });
  write(`call ${session.call_id} from ${call.caller}\nfunctions: ${offered.map((one) => one.function).join(', ')}\n`);

  const callFunction = async (name: string, args: Record<string, string>, after = false): Promise<Reply> => {
    const raw = JSON.stringify(args);
    const body = { ...platformFields(call, session, after), function: name, argument: { parsed: [args], raw } };
    const reply = await post<Reply>(call, body);
    write(shown(name, args, reply));
    return reply;
  };
  const submitPin = (pin: string): Promise<Reply> =>
    callFunction('verify_pin', call.customer === undefined ? { pin } : { pin, customer_id: call.customer });

  await callFunction('startup_hook', {});
  const wrong = await submitPin(otherPin(call.pin));
  const right = await submitPin(call.pin);
  const status = await callFunction('verification_status', {});
  const departments = offered.find((one) => one.function === 'request_transfer')?.parameters?.properties?.department
    ?.enum;
  const department = call.department ?? departments?.[0];
  const transfer = department === undefined ? undefined : await callFunction('request_transfer', { department });
  await callFunction('hangup_hook', {}, true);

  const checks: readonly [string, boolean][] = [
    ['the wrong PIN is refused', isRefused(wrong)],
    ['the right PIN is verified', succeeded(right)],
    ['the status says so', succeeded(status)],
    ...(transfer === undefined ? [] : [['the transfer connects', connects(transfer)] as [string, boolean]]),
  ];
  for (const [promise, kept] of checks) write(`${kept ? 'yes' : 'NO '}  ${promise}`);
  if (transfer === undefined) write('not tested: a transfer, because the policy has no destination');
  return checks.every(([, kept]) => kept);
}

/** Runs {@link simulateCall} on the terminal. A fault is one line on standard error and exit code 1. */
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
    signal: AbortSignal.timeout(RESPONSE_TIMEOUT_MS),
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
  return [...lines, `   the model reads: ${RESPONSE_PREFIX} ${reply.response ?? ''}`, ''].join('\n');
}

/** Shows that there is a receipt, but not the receipt, which is a secret. */
function withoutReceipt(reply: Reply): Reply {
  if (reply.action === undefined) return reply;
  const action = reply.action.map((one) => ('set_meta_data' in one ? { set_meta_data: { receipt: '…' } } : one));
  return { ...reply, action };
}

/** A PIN of the same length that differs in its last digit. */
function otherPin(pin: string): string {
  return `${pin.slice(0, -1)}${(Number(pin.slice(-1)) + 1) % 10}`;
}

/** True only for a wrong PIN: a refusal by a limit has no action. */
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
