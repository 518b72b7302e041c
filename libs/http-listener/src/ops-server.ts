import { type Server, type ServerResponse } from 'node:http';
import { collectDefaultMetrics, register } from 'prom-client';
import { type Health } from '@countersign/observability';
import { type HttpListener } from './http-listener.js';

const HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };

let hasDefaultMetrics = false;

/** Health of every service and Prometheus metrics of the process, on a port that is not for callers. */
export class OpsServer {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** @throws Error of the system when the port is taken */
  static async start(listener: HttpListener, healths: ReadonlyMap<string, Health>): Promise<OpsServer> {
    if (!hasDefaultMetrics) collectDefaultMetrics({ eventLoopMonitoringPrecision: 50 });
    hasDefaultMetrics = true;
    const { HOST, OPS_PORT } = listener.settings;
    const server = listener.createServer((request, response) => {
      void answer(request.url ?? '', response, healths);
    }, 'operators');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(OPS_PORT, HOST, resolve);
    });
    return new OpsServer(server, listener.urlOf(server));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }
}

async function answer(url: string, response: ServerResponse, healths: ReadonlyMap<string, Health>): Promise<void> {
  const path = url.split('?')[0];
  if (path === '/health/live') return json(response, 200, { status: 'ok' });
  if (path === '/health/ready') {
    const services = Object.fromEntries([...healths].map(([name, health]) => [name, health.report()]));
    const ok = Object.values(services).every((report) => report.status === 'ok');
    return json(response, ok ? 200 : 503, { status: ok ? 'ok' : 'unavailable', services });
  }
  if (path === '/metrics') {
    response.writeHead(200, { ...HEADERS, 'content-type': register.contentType });
    response.end(await register.metrics());
    return;
  }
  json(response, 404, { status: 'not found' });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { ...HEADERS, 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
