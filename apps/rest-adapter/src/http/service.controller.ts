import { Controller, Get, Header } from '@nestjs/common';
import { Requires } from './authenticate.js';
import { OPENAPI } from '../openapi/openapi.js';

/** The description of the API, which needs no key. */
@Controller()
export class ServiceController {
  @Get('openapi.json')
  @Header('content-type', 'application/json')
  @Requires('public')
  openapi(): object {
    return OPENAPI;
  }
}
