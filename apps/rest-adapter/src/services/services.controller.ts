import { Controller, Get, Req } from '@nestjs/common';
import { Problem, Requires, tenantsWith, type ClientRequest } from '@countersign/api';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ServiceStates } from './service-states.js';
import { ServiceList } from './services.dto.js';

/** The health of the installation. It belongs to no tenant, so keys and operators of tenants do not see it. */
@ApiTags('services')
@Controller('v1/services')
export class ServicesController {
  constructor(private readonly states: ServiceStates) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({
    summary: 'Read which services are ready, and their lag, queues and outboxes',
    description: 'For the administrator. The processes are those in `SERVICES_URLS`; `npm start` knows its own.',
  })
  @ApiOkResponse({ type: ServiceList, description: 'The services of all processes.' })
  async listServices(@Req() { client }: ClientRequest): Promise<ServiceList> {
    if (client?.operator && tenantsWith(client.operator, 'manage:read') !== undefined) throw new Problem('not-found');
    return this.states.list();
  }
}
