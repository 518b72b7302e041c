import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import { type ExaminedInstallation } from './installation.js';
import { type CheckResult } from './report.js';

const ANSWER_LIMIT_MS = 2_000;
const MAX_ANSWER_BYTES = 65_536;

type PortState = 'free' | 'taken' | { readonly refused: string };

/** The answer of `/health/ready` on an adapter's port, or on the port for operators. */
interface Readiness {
  readonly status?: unknown;
  readonly checks?: Readonly<Record<string, boolean>>;
  readonly services?: Readonly<Record<string, { readonly checks?: Readonly<Record<string, boolean>> }>>;
}

/** The ports of the settings: free, used by the product itself, or taken by another program. */
export async function checkPorts({ services }: ExaminedInstallation): Promise<CheckResult> {
  const ports = new Map<string, { host: string; port: number }>();
  const certificate = services.find(({ settings }) => settings.TLS_CERT_FILE !== undefined)?.settings.TLS_CERT_FILE;
  for (const { settings, faults } of services) {
    if (faults.length > 0) continue;
    for (const [name, port] of Object.entries(settings) as [string, unknown][]) {
      if (name.endsWith('_PORT') && typeof port === 'number' && port > 0)
        ports.set(name, { host: settings.HOST, port });
    }
  }
  const states: string[] = [];
  const problems: CheckResult['problems'][number][] = [];
  for (const [name, { host, port }] of ports) {
    const state = await stateOf(host, port);
    if (state === 'free') states.push(`${name} ${port} is free`);
    else if (state !== 'taken') {
      const cure = `correct HOST, or set ${name} to another port`;
      problems.push({ status: 'failed', text: `${name}: ${host}:${port} cannot be opened (${state.refused})`, cure });
    } else {
      const ready = await readinessOf(host, port);
      const failing = ready ? failingChecks(ready) : (await presentsOwn(certificate, host, port)) ? [] : undefined;
      if (failing === undefined) {
        const cure = `stop that program (find it with: ss -ltnp 'sport = :${port}'), or set ${name} to another port`;
        problems.push({ status: 'failed', text: `${name}: port ${port} is taken by another program`, cure });
      } else if (failing.length > 0) {
        const cure = 'see the other checks here, and the log of the service';
        problems.push({
          status: 'warning',
          text: `the product at ${name} ${port} is not ready: ${failing.join(', ')}`,
          cure,
        });
      } else states.push(`${name} ${port} is used by the running product`);
    }
  }
  return { ok: states.sort().join(', ') || 'the system picks every port', problems };
}

function stateOf(host: string, port: number): Promise<PortState> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', ({ code = 'unknown' }: NodeJS.ErrnoException) =>
      resolve(code === 'EADDRINUSE' ? 'taken' : { refused: code }),
    );
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve('free')));
  });
}

const reachable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host);

/** Whether a port that demands client certificates presents the certificate of the product. */
async function presentsOwn(file: string | undefined, host: string, port: number): Promise<boolean> {
  if (file === undefined) return false;
  const own = await readFile(file).then(
    (pem) => new X509Certificate(pem).fingerprint256,
    () => undefined,
  );
  return new Promise((resolve) => {
    // Only the certificate is looked at: nothing is sent.
    const socket = connect({ host: reachable(host), port, rejectUnauthorized: false }, () => {
      end(own !== undefined && socket.getPeerCertificate().fingerprint256 === own);
    });
    const end = (isOwn: boolean): void => {
      socket.destroy();
      resolve(isOwn);
    };
    socket.setTimeout(ANSWER_LIMIT_MS, () => end(false));
    socket.on('error', () => end(false));
  });
}

/** Undefined: what uses the port is not this product. */
async function readinessOf(host: string, port: number): Promise<Readiness | undefined> {
  const address = reachable(host);
  const answer = (await ask(httpRequest, address, port)) ?? (await ask(httpsRequest, address, port));
  return typeof answer?.status === 'string' && (answer.checks ?? answer.services) ? answer : undefined;
}

function failingChecks({ checks, services = {} }: Readiness): string[] {
  const all = [
    ...Object.entries(checks ?? {}),
    ...Object.entries(services).flatMap(([service, report]) =>
      Object.entries(report.checks ?? {}).map(([name, isOk]) => [`${service} ${name}`, isOk] as const),
    ),
  ];
  return all.filter(([, isOk]) => !isOk).map(([name]) => name);
}

function ask(request: typeof httpRequest, host: string, port: number): Promise<Readiness | undefined> {
  return new Promise((resolve) => {
    const end = (answer?: Readiness): void => {
      sent.destroy();
      resolve(answer);
    };
    // The certificate is checked by the clients of the product; here it only matters who answers.
    const options = { host, port, path: '/health/ready', rejectUnauthorized: false, timeout: ANSWER_LIMIT_MS };
    const sent = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        text += part;
        if (text.length > MAX_ANSWER_BYTES) end();
      });
      response.on('error', () => end());
      response.on('end', () => {
        try {
          end(JSON.parse(text) as Readiness);
        } catch {
          end();
        }
      });
    });
    sent.on('timeout', () => end());
    sent.on('error', () => end());
    sent.end();
  });
}
