import { Controller, Get, Header, Query, Req } from '@nestjs/common';
import {
  actorOf,
  EventTenantQuery,
  invalid,
  LogConsistencyQuery,
  Problem,
  Requires,
  visibleTenant,
  type ClientRequest,
  type LogStatus,
} from '@countersign/api';
import { type FastifyRequest } from 'fastify';
import { ReadLogFile } from './read-log-file.use-case.js';

/** The files with which anybody verifies the log, by the paths of c2sp.org/tlog-tiles. */
@Controller()
export class LogFilesController {
  constructor(private readonly readLogFile: ReadLogFile) {}

  @Get('checkpoint')
  @Requires('public')
  @Header('content-type', 'text/plain; charset=utf-8')
  @Header('cache-control', 'no-cache')
  async checkpoint(): Promise<string> {
    return found(await this.readLogFile.checkpoint());
  }

  /** The key that verifies checkpoints. Whoever trusts it has compared it by another way. */
  @Get('vkey')
  @Requires('public')
  @Header('content-type', 'text/plain; charset=utf-8')
  @Header('cache-control', 'no-cache')
  verifierKey(): string {
    return found(this.readLogFile.verifierKey());
  }

  @Get('v1/log')
  @Requires('audit')
  async state(@Query() { tenant }: EventTenantQuery, @Req() request: ClientRequest): Promise<LogStatus> {
    const { checkpoint, comparedUntil, ...state } = await this.readLogFile.state(visibleTenant(request, tenant));
    return {
      ...{ size: state.size, keys: [...state.keys], differences: [...state.differences] },
      checkpoint: checkpoint === undefined ? null : { ...checkpoint, signedAt: checkpoint.signedAt.toISOString() },
      comparedUntil: comparedUntil?.toISOString() ?? null,
    };
  }

  /** Hashes alone, which reveal nothing of an event. */
  @Get('v1/log/consistency')
  @Requires('audit')
  async consistency(@Query() query: LogConsistencyQuery, @Req() request: ClientRequest): Promise<object> {
    visibleTenant(request, query.tenant);
    const [from, to] = [Number(query.from), Number(query.to)];
    if (from > to) throw invalid([{ field: 'to', rule: 'must be at least from' }]);
    const hashes = await this.readLogFile.consistency(from, to);
    if (hashes === undefined) throw invalid([{ field: 'to', rule: 'must be at most the size of the last checkpoint' }]);
    return { from, to, hashes: hashes.map((hash) => hash.toString('base64')) };
  }

  /** Only keys of the installation read entries; caches must not keep them. */
  @Get('tile/entries/*')
  @Requires('audit')
  @Header('content-type', 'application/octet-stream')
  @Header('cache-control', 'no-store')
  async entries(@Req() request: ClientRequest): Promise<Buffer> {
    const reader = { actor: actorOf(request), tenant: request.client?.tenant };
    const entries = found(await this.readLogFile.entries(reader, request.url.slice(1)));
    if (entries === 'pruned') throw new Problem('pruned');
    return entries;
  }

  /** A tile never changes, so every cache may keep it. */
  @Get('tile/*')
  @Requires('public')
  @Header('content-type', 'application/octet-stream')
  @Header('cache-control', 'public, max-age=31536000, immutable')
  async tile(@Req() { url }: FastifyRequest): Promise<Buffer> {
    return found(await this.readLogFile.tile(url.slice(1)));
  }
}

function found<T>(file: T | undefined): T {
  if (file === undefined) throw new Problem('not-found');
  return file;
}
