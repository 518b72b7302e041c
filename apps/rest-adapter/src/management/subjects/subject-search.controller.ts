import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { Problems, Requires, TenantPath } from '@countersign/api';
import { bindingOf, message, SubjectListRequested } from '@countersign/contracts';
import { PayloadSealer } from '@countersign/crypto';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Manage, Origin, type CommandOrigin } from '../manage.js';
import { SubjectPage, SubjectSearchBody } from './subjects.dto.js';

/**
 * Finds a subject by what is in the body: addresses of requests are kept in the logs of proxies and the history of browsers.
 * What an operator types can be a number or an id, so ids are searched and encrypted in the same manner.
 */
@ApiTags('subjects')
@Controller('v1/tenants/:tenant')
export class SubjectSearchController {
  constructor(
    private readonly manage: Manage,
    private readonly sealer: PayloadSealer,
  ) {}

  @Post('subjects::search')
  @HttpCode(200)
  @Requires('manage:read')
  @ApiOperation({
    summary: 'Find the subject with a telephone number or an id, with neither of them in an address',
  })
  @ApiOkResponse({ type: SubjectPage, description: 'The subject, or no item.' })
  @Problems('unavailable')
  async searchSubjects(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() { number: phone, subject }: SubjectSearchBody,
  ): Promise<SubjectPage> {
    const command = { ...origin, tenant, limit: 1 };
    const searched = subject === undefined ? { phone } : { subject };
    const sealed = await this.sealer.seal(searched, bindingOf(SubjectListRequested, command));
    return this.manage.read<SubjectPage>(message(SubjectListRequested, { ...command, sealed }));
  }
}
