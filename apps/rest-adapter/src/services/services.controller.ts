import { Controller, Get } from '@nestjs/common';
import { Requires } from '@countersign/api';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { ServiceStates } from './service-states.js';
import { ServiceList } from './services.dto.js';

/** The health of the installation. It belongs to no tenant, so keys of tenants do not see it. */
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
  listServices(): Promise<ServiceList> {
    return this.states.list();
  }
}
