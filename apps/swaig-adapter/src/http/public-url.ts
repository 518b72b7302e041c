import { type AddressInfo, type Server } from 'node:net';
import { schemeOf } from '@countersign/http-listener';
import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { SwaigSettings } from '../swaig-adapter.settings.js';

/** The public address of this adapter, without `/swaig` and a trailing slash. By default it depends on the bound port. */
@Injectable()
export class PublicUrl {
  constructor(
    private readonly settings: SwaigSettings,
    private readonly server: HttpAdapterHost,
  ) {}

  get(): string {
    const address = this.settings.PUBLIC_URL?.replace(/\/+$/, '');
    if (address !== undefined) return address;
    const server = this.server.httpAdapter.getHttpServer() as Server;
    return `${schemeOf(server)}://localhost:${(server.address() as AddressInfo).port}`;
  }
}
