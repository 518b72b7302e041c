import { Body, Controller, HttpCode, Param, Post } from '@nestjs/common';
import { message, NAME_PATTERN, SUBJECT_PATTERN, SubjectUnlockRequested } from '@countersign/contracts';
import { KeyedHash } from '@countersign/crypto';
import { Requires } from '../http/authenticate.js';
import { NAME_RULE, SUBJECT_RULE, UnlockBody } from './bodies.js';
import { Manage } from './manage.js';
import { readBody, readName } from '../http/read-body.js';

/** Opens subjects that guesses have locked. */
@Controller('v1/tenants/:tenant/subjects/:subject/unlock')
export class UnlockController {
  constructor(
    private readonly manage: Manage,
    private readonly hash: KeyedHash,
  ) {}

  @Post()
  @HttpCode(204)
  @Requires('manage')
  async unlock(
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
    @Body() raw: unknown,
  ): Promise<void> {
    const tenant = readName('tenant', tenantName, NAME_PATTERN, NAME_RULE);
    const subject = readName('subject', subjectId, SUBJECT_PATTERN, SUBJECT_RULE);
    const { reason } = readBody(UnlockBody, raw);
    const reasonKey = this.hash.reasonKey(tenant, reason);
    const commandId = this.manage.commandId();
    await this.manage.execute(message(SubjectUnlockRequested, { commandId, tenant, subject, reasonKey }));
  }
}
