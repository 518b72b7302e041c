import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type LookupFunction } from 'node:net';
import { isAllowedAddress } from './addresses.js';
import type { HostAddress, HostResolver } from './resolve-host.js';
import { NOT_PUBLIC, NOT_RESOLVED, parseTarget, type ParsedTarget, type TargetRules } from './target-rules.js';
import { WebhookSender, type SendFault, type SendResult, type WebhookRequest } from './targets.ports.js';

/** Most bytes of the headers of an answer. */
const MAX_ANSWER_HEADER_BYTES = 16_384;

/** Every attempt has a connection of its own: a kept one would lead to the address that was checked for an earlier attempt. */
const HTTP_AGENT = new HttpAgent({ keepAlive: false });
// Verifies certificates whatever NODE_TLS_REJECT_UNAUTHORIZED says.
const HTTPS_AGENT = new HttpsAgent({ keepAlive: false, maxCachedSessions: 0, rejectUnauthorized: true });

/**
 * Sends over HTTP/1.1 with the client of Node, which follows no redirect and takes no proxy from the environment. The host is
 * resolved once for each connection, and the connection uses the addresses that were checked: a DNS server that changes its
 * answer between the check and the connection (DNS rebinding) has no second question to answer.
 */
export class HttpWebhookSender extends WebhookSender {
  constructor(
    private readonly rules: TargetRules,
    private readonly resolver: HostResolver,
    /** Of one attempt, from the first question to the DNS until the status of the answer. */
    private readonly timeoutMs: number,
  ) {
    super();
  }

  override async ruleBroken(url: string): Promise<string | undefined> {
    const target = parseTarget(url, this.rules);
    if ('rule' in target) return target.rule;
    const found = await this.#checkedAddresses(target);
    if (found === 'dns') return NOT_RESOLVED;
    return found === 'target' ? NOT_PUBLIC : undefined;
  }

  override async send(request: WebhookRequest): Promise<SendResult> {
    // The rules can have changed since the webhook was created.
    const target = parseTarget(request.url, this.rules);
    if ('rule' in target) return { fault: 'target' };
    const signal = AbortSignal.timeout(this.timeoutMs);
    const addresses = await this.#checkedAddresses(target);
    if (typeof addresses === 'string') return { fault: addresses };
    try {
      return resultOf(await post(target.url, request, addresses, signal));
    } catch (error) {
      return { fault: faultOf(error, signal) };
    }
  }

  /** Addresses to connect to. One address that is not allowed refuses the host: another one of it could be chosen later. */
  async #checkedAddresses({ host, isAddress }: ParsedTarget): Promise<readonly HostAddress[] | 'dns' | 'target'> {
    if (isAddress) return [{ address: host, family: host.includes(':') ? 6 : 4 }];
    const addresses = await this.resolver.addresses(host);
    if (addresses.length === 0) return 'dns';
    return addresses.every(({ address }) => isAllowedAddress(address, this.rules.allowedNetworks))
      ? addresses
      : 'target';
  }
}

/** Resolves with the head of the answer. Its body is never read. */
function post(
  url: URL,
  { headers, body }: WebhookRequest,
  addresses: readonly HostAddress[],
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const isTls = url.protocol === 'https:';
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': body.length },
    agent: isTls ? HTTPS_AGENT : HTTP_AGENT,
    lookup: pinnedTo(addresses),
    maxHeaderSize: MAX_ANSWER_HEADER_BYTES,
    signal,
  };
  return new Promise((resolve, reject) => {
    const sent = (isTls ? httpsRequest : httpRequest)(url, options, (answer) => {
      answer.on('error', () => undefined);
      answer.destroy();
      resolve(answer);
    });
    sent.on('error', reject);
    // An answer 101 with Upgrade ends the request without an error, and after that the signal has no effect.
    sent.on('close', () => reject(new Error('the connection was closed without an answer')));
    sent.end(body);
  });
}

/** Answers the question of a connection for the addresses of its host with those that were checked. */
function pinnedTo(addresses: readonly HostAddress[]): LookupFunction {
  return (_host, options, callback) => {
    const [first] = addresses;
    if (first === undefined) callback(new Error('there is no address'), '', 0);
    else if (options.all === true) callback(null, [...addresses]);
    else callback(null, first.address, first.family);
  };
}

function resultOf({ statusCode = 0, headers }: IncomingMessage): SendResult {
  const retryAfterSeconds = secondsIn(headers['retry-after']);
  return { status: statusCode, ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}

/** Seconds, or a date (RFC 9110 section 10.2.3). */
function secondsIn(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const time = Date.parse(text);
  return Number.isNaN(time) ? undefined : Math.max(0, Math.ceil((time - Date.now()) / 1000));
}

function faultOf(error: unknown, signal: AbortSignal): SendFault {
  if (signal.aborted) return 'timeout';
  const { code = '' } = error as NodeJS.ErrnoException;
  return /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|EPROTO)/.test(code) ? 'tls' : 'connection';
}
