import { randomBytes, randomInt } from 'node:crypto';
import { join } from 'node:path';
import { ensureSecretFiles } from '@countersign/installation';
import { startApp, type Running } from './children.js';

/** `separate`: eight processes. `one`: the same eight services in one process, over the same broker and database. */
export type Layout = 'separate' | 'one';

export interface Installation {
  readonly swaigUrl: string;
  readonly restUrl: string;
  /** The administrator's key; the installation is removed after the bench. */
  readonly adminKey: string;
  readonly authorization: string;
  /** Connects as superuser. */
  readonly databaseUrl: string;
  readonly callers: readonly { readonly phone: string; readonly pin: string }[];
  /** Process ids by app. */
  readonly pids: Readonly<Record<string, number>>;
  /** Addresses of health and metrics by app. */
  readonly opsUrls: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Limits by their names in the policy. */
export type LimitsOfBench = Readonly<Record<string, { readonly limit: number; readonly periodSeconds: number }>>;

const LIFTED = { limit: 1_000_000, periodSeconds: 1 };

/** Starts the product over a real broker and database, with subjects whose PINs are known. */
export async function install(
  layout: Layout,
  options: {
    brokers: string;
    databaseUrl: string;
    folder: string;
    subjects: number;
    env?: Record<string, string>;
    /** Default: limits so large that they refuse nothing. */
    limits?: LimitsOfBench;
    /** Programs that replace an app's own main file, by app. */
    programs?: Readonly<Record<string, string>>;
  },
): Promise<Installation> {
  const secrets = await ensureSecretFiles(join(options.folder, 'secrets'));
  const env: Record<string, string> = {
    ...secrets.values,
    KAFKA_BROKERS: options.brokers,
    DATABASE_URL: options.databaseUrl,
    TOPIC_PREFIX: `bench-${randomBytes(4).toString('hex')}.`,
    DATA_DIR: options.folder,
    LOG_SIGNER_STATE: join(options.folder, 'log-signer.state'),
    DEMO: 'false',
    LOG_LEVEL: 'warn',
    OPS_PORT: '0',
    SWAIG_PORT: '0',
    REST_PORT: '0',
    AUDIT_PORT: '0',
    ...options.env,
  };
  const log = join(options.folder, `${layout}.log`);
  const apps =
    layout === 'one'
      ? ['all-in-one']
      : ['directory', 'verification', 'rate-limit', 'audit', 'log-signer', 'webhooks', 'rest-adapter', 'swaig-adapter'];
  // A service logs its line `ready` at the level info.
  const started = await Promise.allSettled(
    apps.map((app) => startApp(app, { ...env, LOG_LEVEL: 'info' }, log, options.programs?.[app])),
  );
  const running = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const urls = Object.assign({}, ...running.map((one) => one.urls)) as Record<string, string>;
  const opsUrls = Object.fromEntries(apps.map((app, at) => [app, running[at]?.urls['ops'] ?? '']));
  const pids = Object.fromEntries(apps.map((app, at) => [app, running[at]?.pid ?? 0]));
  const close = async (): Promise<void> => {
    await Promise.all(running.map((one: Running) => one.close()));
  };
  try {
    for (const one of started) if (one.status === 'rejected') throw one.reason as Error;
    return {
      ...(await seed(urls, secrets.values.ADMIN_API_KEY, options)),
      databaseUrl: options.databaseUrl,
      pids,
      opsUrls,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function seed(
  urls: Record<string, string>,
  adminKey: string,
  { subjects, limits }: { readonly subjects: number; readonly limits?: LimitsOfBench },
): Promise<Omit<Installation, 'close' | 'pids' | 'opsUrls' | 'databaseUrl'>> {
  const [rest = '', swaigUrl = ''] = [urls['rest'], urls['swaig']];
  const call = async (method: string, path: string, body: unknown): Promise<Response> => {
    const response = await fetch(`${rest}/v1/tenants/bench${path}`, {
      method,
      headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  await call('PUT', '', {
    name: 'Bench',
    policy: {
      limits: {
        caller: LIFTED,
        call: LIFTED,
        subject: LIFTED,
        agent: LIFTED,
        tenant: LIFTED,
        subjectsPerCaller: LIFTED,
        ...limits,
      },
    },
  });
  const agent = (await (await call('POST', '/agents', { agent: 'bench-agent' })).json()) as { password: string };
  const callers: { phone: string; pin: string }[] = [];
  for (let n = 0; n < subjects; n++) {
    const phone = `+1202555${String(n).padStart(4, '0')}`;
    const digit = (): string => '013568'.charAt(randomInt(6));
    // Every such PIN is accepted: it repeats no digit in a row, does not count up and is not a date.
    const pin = `9${digit()}2${digit()}7${digit()}4${digit()}`;
    await call('PUT', `/subjects/s${n}`, { phones: [phone] });
    await call('PUT', `/subjects/s${n}/pin`, { pin });
    callers.push({ phone, pin });
  }
  const authorization = `Basic ${Buffer.from(`bench-agent:${agent.password}`).toString('base64')}`;
  return { swaigUrl, restUrl: rest, adminKey, authorization, callers };
}
