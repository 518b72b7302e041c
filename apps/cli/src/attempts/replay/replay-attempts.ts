import { METHODS, type AttemptPolicy, type Method } from '@countersign/contracts';
import { type Broker } from '@countersign/messaging';
import { ServiceError, type Environment } from '@countersign/runtime';
import { apiOf, checkApi, refused, type Api, type ApiOptions } from '../../subjects/rest-api.js';
import { refusedSetting, table, type Write } from '../../terminal/terminal.js';
import { replayCounter, shownCounter, type ShownCounter } from './replay-counter.js';
import { EventsBySubject, readEventFile, readEventTopic, type ReplayedEvent } from './replayed-events.js';

/** Options of `attempts replay`. */
export interface ReplayAttemptsOptions extends ApiOptions {
  readonly subject?: string;
  /** An export of events. */
  readonly file?: string;
}

/** A subject as the REST API shows it: its PIN, and every enrolled credential. */
interface SubjectAnswer {
  readonly credentials: readonly (ShownCounter & { readonly method: Method })[];
}

interface PolicyAnswer {
  readonly policy: { readonly attempts: AttemptPolicy };
}

/** Lines that are shown. */
const SHOWN = 100;

/**
 * Replays the attempts of subjects from their events, and compares the result with their counters.
 * @param broker reads the topic of events; undefined: reads the file
 * @throws ServiceError COUNTER_BROKEN when they differ; SETTINGS_INVALID, BROKER_UNAVAILABLE
 */
export async function replayAttempts(
  env: Environment,
  options: ReplayAttemptsOptions,
  write: Write,
  broker?: Broker,
): Promise<void> {
  const { tenant, subject, file } = options;
  const api = apiOf(env, options);
  await checkApi(api);
  const events = new EventsBySubject({ tenant, subject });
  if ((file === undefined) === (broker === undefined)) throw refusedSetting('name either --file or --topic');
  if (file !== undefined) await readEventFile(file, events);
  else if (broker !== undefined) await readEventTopic(broker, events);
  const policies = await readPolicies(api);
  const found: string[][] = [];
  let attempts = 0;
  for (const [name, own] of events.subjects) {
    const state = await read<SubjectAnswer>(api, `subjects/${encodeURIComponent(name)}`);
    for (const method of METHODS) {
      const { differences, count } = compareSubject(own, method, state, policies);
      attempts += count;
      found.push(...differences.map((difference) => [name, method, difference]));
    }
  }
  write(`replayed ${attempts} attempts of ${events.subjects.size} subjects`);
  if (found.length === 0) return write('every counter agrees with the events');
  write(table(['subject', 'method', 'difference'], found.slice(0, SHOWN)));
  if (found.length > SHOWN) write(`and ${found.length - SHOWN} more`);
  throw new ServiceError('COUNTER_BROKEN', 'The counters are not what the events say', false);
}

/** @param state undefined: the subject does not exist any more */
export function compareSubject(
  events: readonly ReplayedEvent[],
  method: Method,
  state: SubjectAnswer | undefined,
  { byAgent, windowSeconds }: Policies,
  now = Date.now(),
): { differences: string[]; count: number } {
  const { counters, attempts, missing, contradictions } = replayCounter(events, method, (agent) => byAgent.get(agent));
  const differences = missing.map((number) => `no event has attempt ${number}`);
  differences.push(...contradictions);
  const credential = state?.credentials.find((one) => one.method === method);
  // Without a credential, nothing is shown of its counter.
  if (attempts === 0 || credential === undefined) return { differences, count: attempts };
  const replayed = counters.map((counter) => shownCounter(counter, now, windowSeconds));
  if (!replayed.some((one) => differing(one, credential).length === 0) && replayed[0] !== undefined)
    differences.push(...differing(replayed[0], credential));
  return { differences, count: attempts };
}

function differing(replayed: ShownCounter, actual: ShownCounter): string[] {
  const fields = ['attemptsInWindow', 'lockedUntil', 'consecutiveFailures', 'disabled'] as const;
  return fields
    .filter((field) => replayed[field] !== actual[field])
    .map(
      (field) => `${field} is ${String(actual[field] ?? 'none')}, by the events ${String(replayed[field] ?? 'none')}`,
    );
}

/** The policies of the agents of a tenant. */
export interface Policies {
  readonly byAgent: ReadonlyMap<string, AttemptPolicy>;
  /** The longest window of the tenant and its agents: attempts in it are shown. */
  readonly windowSeconds: number;
}

async function readPolicies(api: Api): Promise<Policies> {
  const byAgent = new Map<string, AttemptPolicy>();
  const own = await read<PolicyAnswer>(api, 'policy');
  for (let query = ''; ;) {
    const page = await read<AgentPage>(api, `agents${query}`);
    for (const { agent } of page?.items ?? []) {
      const answer = await read<PolicyAnswer>(api, `agents/${encodeURIComponent(agent)}/policy`);
      if (answer !== undefined) byAgent.set(agent, answer.policy.attempts);
    }
    if (typeof page?.nextCursor !== 'string') break;
    query = `?cursor=${encodeURIComponent(page.nextCursor)}`;
  }
  const windows = [...byAgent.values(), ...(own ? [own.policy.attempts] : [])].map((policy) => policy.windowSeconds);
  return { byAgent, windowSeconds: Math.max(0, ...windows) };
}

interface AgentPage {
  readonly items: readonly { readonly agent: string }[];
  readonly nextCursor: string | null;
}

/** @returns undefined: it does not exist */
async function read<T>({ url, tenant, authorization }: Api, path: string): Promise<T | undefined> {
  const address = `${url}/v1/tenants/${encodeURIComponent(tenant)}/${path}`;
  const answer = await fetch(address, { headers: { authorization } }).catch(() => undefined);
  if (answer === undefined) throw refusedSetting(`there is no answer from ${url}: check --url`);
  if (answer.status === 404) return undefined;
  if (!answer.ok) throw refused(answer.status, url, tenant);
  return (await answer.json()) as T;
}
