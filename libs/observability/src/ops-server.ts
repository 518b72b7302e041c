import { createServer, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';
import { collectDefaultMetrics, register } from 'prom-client';
import { type Health } from './health.js';
import { receiveLimits } from './receive-limits.js';

let hasDefaultMetrics = false;

/** Health of every service and Prometheus metrics of the process, on a port that is not for callers. */
export class OpsServer {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /**
   * @param port 0 picks a free one
   * @param receiveMs longest time for a request to arrive
   * @throws Error of the system when the port is taken
   */
  static async start(
    host: string,
    port: number,
    receiveMs: number,
    healths: ReadonlyMap<string, Health>,
  ): Promise<OpsServer> {
    if (!hasDefaultMetrics) collectDefaultMetrics({ eventLoopMonitoringPrecision: 50 });
    hasDefaultMetrics = true;
    const server = createServer(receiveLimits(receiveMs), (request, response) => {
      void answer(request.url ?? '', response, healths);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
    const { port: bound } = server.address() as AddressInfo;
    return new OpsServer(server, `http://${host}:${bound}`);
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
    response.setHeader('content-type', register.contentType);
    response.end(await register.metrics());
    return;
  }
  json(response, 404, { status: 'not found' });
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
