import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Requires } from '@countersign/api';
import { ApiDescription } from './api-description.js';

@ApiTags('service')
@Controller()
export class OpenApiController {
  constructor(private readonly description: ApiDescription) {}

  @Get('openapi.json')
  @Header('content-type', 'application/json')
  @Requires('public')
  @ApiOperation({ summary: 'This description' })
  @ApiOkResponse({ schema: { type: 'object' }, description: 'An OpenAPI 3.1 document.' })
  openapi(): Promise<object> {
    return this.description.document();
  }
}
