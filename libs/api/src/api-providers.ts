import { type Provider } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { type Secret } from '@countersign/crypto';
import { RefusedCredentials, type Host } from '@countersign/hosting';
import { RequestHooks } from '@countersign/http';
import { SystemClock } from '@countersign/runtime';
import { type ApiKeyUses } from './api-key-uses.js';
import { Authenticator, type ClientKeys } from './authenticate.js';
import { ProblemFilter } from './problems.js';
import { ApiRequestHooks } from './request-hooks.js';
import { RequestPipe } from './request.pipe.js';

export interface ApiClients {
  readonly adminKey: Secret;
  readonly clientKeys: ClientKeys;
  readonly keyUses: ApiKeyUses;
  /** Counts requests with wrong keys. */
  readonly refusedCredentials: RefusedCredentials;
}

/** What the module of an API provides: authentication by key, validation of requests, and problem details. */
export function apiProviders(
  host: Host,
  { adminKey, clientKeys, keyUses, refusedCredentials }: ApiClients,
): Provider[] {
  return [
    { provide: Authenticator, useFactory: () => new Authenticator(adminKey, clientKeys, keyUses, new SystemClock()) },
    { provide: RefusedCredentials, useValue: refusedCredentials },
    { provide: RequestHooks, useClass: ApiRequestHooks },
    { provide: APP_FILTER, useFactory: () => new ProblemFilter(host.logger) },
    { provide: APP_PIPE, useClass: RequestPipe },
  ];
}
