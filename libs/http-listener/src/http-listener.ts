import {
  createServer,
  STATUS_CODES,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { isIPv6, type AddressInfo, type Socket } from 'node:net';
import { Server as TlsServer, TLSSocket } from 'node:tls';
import { METRICS, type Logger } from '@countersign/observability';
import { type HttpSettings } from './http-settings.js';
import { TlsFiles } from './tls-files.js';
import { forwardedAddresses, networkOf, TrustedProxies } from './trusted-proxies.js';

/** How often connections are checked for exceeded timeouts, in milliseconds. Node's default is 30 s. */
const CHECK_MS = 1000;
/** How long a connection without a request may delay the stop of a server, in milliseconds. */
const UNUSED_LIMIT_MS = 1000;
/** A client that takes fewer bytes of an answer within SEND_TIMEOUT_MS is a slow reader. */
const TAKEN_BYTES = 65_536;
/** Longest subject of a client certificate in the log, in characters. */
const MAX_SUBJECT = 200;

/** `operators`: health and metrics, without client certificates, and with TLS only if OPS_TLS is true. */
export type PortUse = 'clients' | 'operators';

/** Opens ports that speak HTTP, with TLS and limits by settings. It does not load Fastify: every service has such a port. */
export class HttpListener {
  readonly #proxies: TrustedProxies;
  readonly #open = new WeakMap<Server, Set<Socket>>();
  /** The answers of each connection that are not complete. */
  readonly #unfinished = new WeakMap<Socket, Set<ServerResponse>>();

  private constructor(
    private readonly service: string,
    readonly settings: HttpSettings,
    private readonly tls: TlsFiles | undefined,
  ) {
    this.#proxies = new TrustedProxies(settings.TRUSTED_PROXIES);
  }

  /** @throws ServiceError SETTINGS_INVALID */
  static async open(service: string, settings: HttpSettings, logger: Logger): Promise<HttpListener> {
    return new HttpListener(service, settings, await TlsFiles.open(service, settings, logger));
  }

  /** Keeps the certificates current. @returns ends it */
  watch(): () => Promise<void> {
    return this.tls?.watch() ?? (() => Promise.resolve());
  }

  /** Whether a proxy may name the source of a request. */
  readonly isTrusted = (address: string): boolean => this.#proxies.includes(address);

  createServer(handler: RequestListener, use: PortUse = 'clients'): Server {
    const { settings, tls } = this;
    const options = {
      requestTimeout: settings.RECEIVE_TIMEOUT_MS,
      headersTimeout: settings.RECEIVE_TIMEOUT_MS,
      // Node reads the interval only here.
      connectionsCheckingInterval: CHECK_MS,
      keepAliveTimeout: settings.HTTP_KEEP_ALIVE_SECONDS * 1000,
      maxHeaderSize: settings.HTTP_MAX_HEADER_BYTES,
      // A flag of Node could allow it, and with it requests that a proxy and this server read differently.
      insecureHTTPParser: false,
    };
    const listener = this.#withHeaderLimit(handler);
    const needsCertificate = use === 'clients' && settings.TLS_CLIENT_CA_FILE !== undefined;
    const server =
      tls && (use === 'clients' || settings.OPS_TLS)
        ? createTlsServer(
            {
              ...options,
              ...tls.context,
              handshakeTimeout: settings.RECEIVE_TIMEOUT_MS,
              requestCert: needsCertificate,
              rejectUnauthorized: needsCertificate,
            },
            listener,
          )
        : createServer(options, listener);
    // Node drops the headers above its limit without an error, so it must see one more than are allowed.
    server.maxHeadersCount = settings.HTTP_MAX_HEADERS + 1;
    server.maxRequestsPerSocket = settings.HTTP_MAX_REQUESTS_PER_CONNECTION;
    server.maxConnections = settings.HTTP_MAX_CONNECTIONS;
    if (server instanceof TlsServer) tls?.update(server);
    this.#limitConnections(server);
    this.#endSlowReaders(server);
    this.#followRequests(server);
    this.#answerInvalid(server);
    return server;
  }

  /** The address of a server that listens, with the port that is bound. */
  urlOf(server: Server): string {
    const { HOST } = this.settings;
    const { port } = server.address() as AddressInfo;
    return `${schemeOf(server)}://${isIPv6(HOST) ? `[${HOST}]` : HOST}:${port}`;
  }

  #withHeaderLimit(handler: RequestListener): RequestListener {
    // Names and values alternate in the raw headers.
    const most = 2 * this.settings.HTTP_MAX_HEADERS;
    return (request, response) => {
      if (request.rawHeaders.length > most) {
        this.#count('headers');
        const { headers, text } = problem(431);
        response.writeHead(431, headers).end(text);
        return;
      }
      const forwarded = request.headers['x-forwarded-for'];
      if (forwarded !== undefined) {
        request.headers['x-forwarded-for'] = forwardedAddresses(String(forwarded)).join(', ');
      }
      handler(request, response);
    };
  }

  #limitConnections(server: Server): void {
    const open = new Map<string, number>();
    server.on('drop', () => this.#count('connections'));
    server.on('tlsClientError', () => this.#count('handshake'));
    server.on('connection', (socket: Socket) => {
      const address = socket.remoteAddress;
      if (address === undefined || this.isTrusted(address)) return;
      const network = networkOf(address);
      const count = (open.get(network) ?? 0) + 1;
      if (count > this.settings.HTTP_MAX_CONNECTIONS_PER_ADDRESS) {
        this.#count('address');
        socket.destroy();
        return;
      }
      open.set(network, count);
      socket.once('close', () => {
        const remaining = (open.get(network) ?? 1) - 1;
        if (remaining === 0) open.delete(network);
        else open.set(network, remaining);
      });
    });
  }

  /** An answer that is not read occupies a connection and its memory, and no timeout of Node ends a slow reader. */
  #endSlowReaders(server: Server): void {
    const connections = new Map<Socket, { readonly since: number; readonly taken: number } | undefined>();
    server.on(connectionEventOf(server), (socket: Socket) => {
      connections.set(socket, undefined);
      socket.once('close', () => connections.delete(socket));
    });
    const check = (): void => {
      const now = performance.now();
      for (const [socket, mark] of connections) {
        const taken = socket.bytesWritten - socket.writableLength;
        if (socket.writableLength === 0) connections.set(socket, undefined);
        else if (!mark || taken - mark.taken >= TAKEN_BYTES) connections.set(socket, { since: now, taken });
        else if (now - mark.since >= this.settings.SEND_TIMEOUT_MS) {
          this.#count('slow_reader');
          socket.destroy();
        }
      }
    };
    server.once('listening', () => {
      const timer = setInterval(check, CHECK_MS).unref();
      server.once('close', () => clearInterval(timer));
    });
  }

  /**
   * Ends the connections of a server that stops, unless a request on them is being answered. Node would wait without a limit
   * for those that never sent a whole request: it ends idle ones that did, and checks no timeouts any more.
   */
  endUnused(server: Server): void {
    const end = (): void => {
      for (const socket of this.#open.get(server) ?? []) if (!this.#unfinished.get(socket)?.size) socket.destroy();
    };
    // Not at once: a request may be arriving.
    const timer = setInterval(end, UNUSED_LIMIT_MS).unref();
    server.once('close', () => clearInterval(timer));
  }

  #followRequests(server: Server): void {
    const open = new Set<Socket>();
    this.#open.set(server, open);
    server.on(connectionEventOf(server), (socket: Socket) => {
      open.add(socket);
      socket.once('close', () => open.delete(socket));
    });
    server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      const responses = this.#unfinished.get(socket) ?? new Set();
      this.#unfinished.set(socket, responses.add(response));
      response.once('close', () => responses.delete(response));
    });
  }

  /** Answers what is no HTTP request, has too large headers, or did not arrive in time. */
  #answerInvalid(server: Server): void {
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
      if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') this.#count('slow_sender');
      if (error.code === 'HPE_HEADER_OVERFLOW') this.#count('headers');
      const status = { ERR_HTTP_REQUEST_TIMEOUT: 408, HPE_HEADER_OVERFLOW: 431 }[error.code ?? ''] ?? 400;
      // Bytes after the beginning of an answer would be read as a part of it.
      const hasBegun = [...(this.#unfinished.get(socket) ?? [])].some(({ headersSent }) => headersSent);
      if (socket.writable && error.code !== 'ECONNRESET' && !hasBegun) {
        const { headers, text } = problem(status);
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
        socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', text].join('\r\n'));
      }
      socket.destroy();
    });
  }

  #count(reason: 'connections' | 'address' | 'handshake' | 'headers' | 'slow_sender' | 'slow_reader'): void {
    METRICS.connectionsCut.inc({ service: this.service, reason });
  }
}

const connectionEventOf = (server: Server): string => (server instanceof TlsServer ? 'secureConnection' : 'connection');

/** @returns `https` for a server that speaks TLS */
export const schemeOf = (server: unknown): 'http' | 'https' => (server instanceof TlsServer ? 'https' : 'http');

const subjects = new WeakMap<Socket, string>();

/** Common name and serial number of the client certificate of a connection; undefined without one that was verified. */
export function clientCertificateOf(socket: Socket): string | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
  let text = subjects.get(socket);
  if (text === undefined) {
    const { subject, serialNumber } = socket.getPeerCertificate();
    text = `${String(subject.CN).slice(0, MAX_SUBJECT)} ${serialNumber}`;
    subjects.set(socket, text);
  }
  return text;
}

/** A problem (RFC 9457) without a type of its own: the status says all. */
function problem(status: number): { readonly headers: Record<string, string | number>; readonly text: string } {
  const text = JSON.stringify({ type: 'about:blank', title: STATUS_CODES[status], status });
  const headers = { 'content-type': 'application/problem+json', 'content-length': text.length, connection: 'close' };
  return { headers, text };
}
