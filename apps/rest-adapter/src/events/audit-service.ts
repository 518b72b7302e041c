import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { OPERATOR_HEADER, Problem, navigationHeaders, type ApiClient, type ClientRequest } from '@countersign/api';
import { type RoleGrant } from '@countersign/contracts';
import { type Secret } from '@countersign/crypto';
import { type FastifyReply } from 'fastify';

/** A live stream is silent for 15 s at most. */
const IDLE_MS = 60_000;
/** Requests to the audit service at the same time; others wait. */
const MAX_REQUESTS = 256;
/** How often the session of an operator is checked during an answer, in milliseconds. */
const SESSION_CHECK_MS = 2_000;
/** What the audit service may learn of the request. Its own authentication decides about the key. */
const REQUEST_HEADERS = ['authorization', 'accept', 'last-event-id', 'traceparent', 'tracestate'];
/** What the client learns of the answer. */
const ANSWER_HEADERS = [
  ...['content-type', 'content-length', 'content-disposition', 'retry-after', 'www-authenticate', 'x-accel-buffering'],
];

const PROBLEM_TYPE = 'application/problem+json';

/** Passes requests on to the audit service, and its answers back while they arrive. */
export class AuditService {
  readonly #agent: HttpAgent;

  /**
   * @param origin of the API of the audit service
   * @param timeoutMs longest wait for the head of an answer
   */
  constructor(
    private readonly origin: string,
    private readonly timeoutMs: number,
    private readonly adminKey: Secret,
  ) {
    const options = { keepAlive: true, maxSockets: MAX_REQUESTS };
    this.#agent = origin.startsWith('https:') ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Ends the connections. */
  close(): void {
    this.#agent.destroy();
  }

  /**
   * @param extendsSession the answer is use of the session of its operator for as long as the client takes it
   * @throws Problem unavailable when the audit service does not answer
   */
  async pass(request: ClientRequest, reply: FastifyReply, extendsSession = false): Promise<void> {
    // The client left while it was authenticated, so no later event of the reply would end the request.
    if (reply.raw.destroyed) throw new Problem('unavailable');
    const answer = await this.#send(request, reply);
    if (request.client?.operator) endWithSession(request, answer, reply, extendsSession);
    const headers = Object.fromEntries(
      ANSWER_HEADERS.flatMap((name) => (answer.headers[name] === undefined ? [] : [[name, answer.headers[name]]])),
    );
    const isProblem = answer.headers['content-type']?.startsWith(PROBLEM_TYPE) === true;
    void reply
      .code(answer.statusCode ?? 502)
      .headers({ ...headers, ...(isProblem && navigationHeaders(request)) })
      .send(answer);
  }

  /** The audit service knows no sessions: it believes the holder of the administrator key who the operator is. */
  #credentialsOf({ actor: { id = '', name = '', roles = [] }, tenant }: ApiClient): Record<string, string> {
    const grants: RoleGrant[] = roles.map((role) => ({ role, ...(tenant !== undefined && { tenants: [tenant] }) }));
    const operator = Buffer.from(JSON.stringify({ id, name, grants })).toString('base64url');
    return { authorization: `Bearer ${this.adminKey.reveal()}`, [OPERATOR_HEADER]: operator };
  }

  #send(request: ClientRequest, reply: FastifyReply): Promise<IncomingMessage> {
    const { method, ip } = request;
    // A request target can name a host (RFC 9112, section 3.2.2), which must not become the host of this request.
    const { pathname, search } = new URL(request.url, this.origin);
    const target = Object.assign(new URL(this.origin), { pathname, search });
    const passed = Object.fromEntries(
      REQUEST_HEADERS.flatMap((name) => (request.headers[name] === undefined ? [] : [[name, request.headers[name]]])),
    );
    const headers = { ...passed, ...(request.client?.operator && this.#credentialsOf(request.client)) };
    return new Promise((resolve, reject) => {
      // What the client sent as X-Forwarded-For is not passed on: it could name any address.
      const sent = (this.origin.startsWith('https:') ? requestHttps : requestHttp)(target, {
        ...{ method, agent: this.#agent, headers: { ...headers, 'x-forwarded-for': ip }, timeout: IDLE_MS },
      });
      const limit = setTimeout(() => sent.destroy(), this.timeoutMs);
      reply.raw.once('close', () => sent.destroy());
      sent.once('timeout', () => sent.destroy());
      sent.once('error', () => reject(new Problem('unavailable')));
      sent.once('close', () => clearTimeout(limit));
      sent.once('response', (answer) => {
        clearTimeout(limit);
        resolve(answer);
      });
      sent.end();
    });
  }
}

/** Ends a live stream or an export when the session of its operator has ended. */
function endWithSession(
  request: ClientRequest,
  answer: IncomingMessage,
  reply: FastifyReply,
  extendsSession: boolean,
): void {
  // No later event of the reply would end the timer.
  if (reply.raw.destroyed) return;
  let readBefore = 0;
  const timer = setInterval(() => {
    // An answer that the client does not take is not read either, so a paused download does not extend the session. Other
    // requests read from the socket of a complete answer.
    const { bytesRead } = answer.socket;
    const isUse = extendsSession && !answer.complete && bytesRead > readBefore;
    readBefore = bytesRead;
    void Promise.resolve(request.checkAgain?.(isUse)).catch(() => answer.destroy());
  }, SESSION_CHECK_MS);
  reply.raw.once('close', () => clearInterval(timer));
}
