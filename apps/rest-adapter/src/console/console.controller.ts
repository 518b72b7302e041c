import { Controller, Get, Req, Res } from '@nestjs/common';
import { Problem, Requires, type ClientRequest } from '@countersign/api';
import { ApiExcludeController } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { readConsoleFiles } from './console-files.js';

const PREFIX = '/console/';

/**
 * The page runs only scripts of its own files, and no script can insert markup or code as text. It has no inline style: its
 * components write styles through the object model, which the policy does not concern.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  ...[
    "script-src 'self'",
    "frame-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "font-src 'self'",
  ],
  ...["base-uri 'none'", "frame-ancestors 'none'", "form-action 'self'", "require-trusted-types-for 'script'"],
  "trusted-types 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  vary: 'accept-encoding',
};

/** Names of assets contain a hash of their content. Of all other answers, no cache keeps anything. */
const IMMUTABLE = { 'cache-control': 'public, max-age=31536000, immutable' };

/**
 * The console: a page for operators. It holds nothing secret; all that it shows comes from the API, with the session of the
 * operator.
 */
@ApiExcludeController()
@Controller('console')
export class ConsoleController {
  readonly #files = readConsoleFiles();

  @Get()
  @Requires('public')
  root(@Req() request: ClientRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#send(request, reply);
  }

  @Get('*')
  @Requires('public')
  file(@Req() request: ClientRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#send(request, reply);
  }

  /** @throws Problem not-found */
  async #send(request: ClientRequest, reply: FastifyReply): Promise<void> {
    const name = nameOf(request.url);
    const file = this.#files.get(name);
    if (file === undefined) throw new Problem('not-found');
    const isCompressed = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
    await reply
      .headers({ ...HEADERS, 'content-type': file.type, ...(name.startsWith('assets/') ? IMMUTABLE : {}) })
      .headers(isCompressed ? { 'content-encoding': 'gzip' } : {})
      .send(isCompressed ? await file.gzipped() : file.bytes);
  }
}

/**
 * The file for an address. An address of a page of the console, such as `/console/subjects/acme/c-1`, has no file of its own:
 * the one page shows it. Addresses of assets and of the session are no pages.
 */
function nameOf(url: string): string {
  const path = url.replace(/[?#].*$/s, '').slice(PREFIX.length);
  return /^(assets|session)(\/|$)|^[^/]*\.[a-z]+$/.test(path) ? path : 'index.html';
}
