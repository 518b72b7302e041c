import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';

/** A request as it arrived. */
export interface ReceivedWebhook {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** What a receiver answers. */
export interface ReceiverAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A receiver of webhooks on the loopback interface. */
export class Receiver {
  readonly received: ReceivedWebhook[] = [];
  /** Connections, with or without a request. */
  connections = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
    readonly url: string,
  ) {}

  static async start(
    answer: (request: ReceivedWebhook) => ReceiverAnswer | Promise<ReceiverAnswer> = () => ({ status: 204 }),
    host = '127.0.0.1',
    port = 0,
  ): Promise<Receiver> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8');
        const webhook = { path: request.url ?? '', headers: request.headers, body };
        receiver.received.push(webhook);
        void Promise.resolve(answer(webhook)).then(({ status, headers }) => response.writeHead(status, headers).end());
      });
    });
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    const { port: bound } = server.address() as AddressInfo;
    const receiver = new Receiver(server, bound, `http://${host.includes(':') ? `[${host}]` : host}:${bound}`);
    server.on('connection', () => receiver.connections++);
    return receiver;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
