import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Res } from '@nestjs/common';
import {
  bindingOf,
  KnowledgeChangeRequested,
  message,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
} from '@countersign/contracts';
import { PayloadSealer } from '@countersign/crypto';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Requires } from '../http/authenticate.js';
import { SubjectPath } from '../http/fields.js';
import { Problems } from '../http/problems.js';
import { RestRequestLimits } from '../http/request-limits.js';
import { Manage, Origin, type CommandOrigin, type ManagementResult } from './manage.js';
import {
  KnowledgeBody,
  PinBody,
  SubjectBody,
  SubjectDetails,
  SubjectName,
  SubjectPatchBody,
  UnlockBody,
} from './subjects.dto.js';

/** The subjects of a tenant. Their data travels encrypted for the verification service. */
@ApiTags('subjects')
@Controller('v1/tenants/:tenant/subjects/:subject')
export class SubjectsController {
  constructor(
    private readonly manage: Manage,
    private readonly sealer: PayloadSealer,
    private readonly limits: RestRequestLimits,
  ) {}

  @Put()
  @Requires('manage')
  @ApiOperation({ summary: 'Create a subject or set fields of it; fields that are not sent are kept' })
  @ApiOkResponse({ type: SubjectName, description: 'The subject was changed.' })
  @ApiCreatedResponse({ type: SubjectName, description: 'The subject was created.' })
  @Problems('conflict', 'unavailable')
  async putSubject(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() body: SubjectBody,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ManagementResult['state']> {
    const { created, state } = await this.#change(origin, path, body, false);
    void reply.code(created ? 201 : 200);
    return state;
  }

  @Patch()
  @Requires('manage')
  @ApiOperation({ summary: 'Change fields of a subject; null clears a field' })
  @ApiOkResponse({ type: SubjectName, description: 'The subject was changed.' })
  @Problems('conflict', 'unavailable')
  async patchSubject(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() body: SubjectPatchBody,
  ): Promise<ManagementResult['state']> {
    return (await this.#change(origin, path, body, true)).state;
  }

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read the state of a subject, with counters and locks of every credential' })
  @ApiOkResponse({ type: SubjectDetails, description: 'The state of the subject.' })
  @Problems('unavailable')
  async getSubject(@Origin() origin: CommandOrigin, @Param() path: SubjectPath): Promise<ManagementResult['state']> {
    return (await this.manage.execute(message(SubjectStateRequested, { ...origin, ...path }))).state;
  }

  @Delete()
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({
    summary: 'Erase a subject, its credentials and its key; the attempt counter and the audit events are kept',
  })
  @ApiNoContentResponse({ description: 'The subject was erased.' })
  @Problems('unavailable')
  async eraseSubject(@Origin() origin: CommandOrigin, @Param() path: SubjectPath): Promise<void> {
    await this.manage.execute(message(SubjectEraseRequested, { ...origin, ...path }));
  }

  @Put('pin')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Enrol or change the PIN of a subject' })
  @ApiNoContentResponse({ description: 'The PIN is in force.' })
  @Problems('quota-exceeded', 'unavailable')
  async putPin(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() { pin, forceChange }: PinBody,
  ): Promise<void> {
    const command = { ...origin, ...path };
    await this.limits.admitEnrolment(path.tenant, path.subject);
    const sealed = await this.sealer.seal({ pin, forceChange }, bindingOf(PinChangeRequested, command));
    await this.manage.execute(message(PinChangeRequested, { ...command, sealed }));
  }

  @Put('knowledge')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Enrol the answers of a subject; they replace all earlier ones' })
  @ApiNoContentResponse({ description: 'The answers are in force.' })
  @Problems('quota-exceeded', 'unavailable')
  async putKnowledge(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() { answers }: KnowledgeBody,
  ): Promise<void> {
    const command = { ...origin, ...path };
    await this.limits.admitEnrolment(path.tenant, path.subject);
    const sealed = await this.sealer.seal({ answers }, bindingOf(KnowledgeChangeRequested, command));
    await this.manage.execute(message(KnowledgeChangeRequested, { ...command, sealed }));
  }

  @Post('unlock')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Unlock a subject; a disabled PIN stays disabled until it is enrolled again' })
  @ApiNoContentResponse({ description: 'The subject has no lock.' })
  @Problems('unavailable')
  async unlockSubject(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() { reason }: UnlockBody,
  ): Promise<void> {
    await this.manage.execute(message(SubjectUnlockRequested, { ...origin, ...path, reason }));
  }

  async #change(
    origin: CommandOrigin,
    path: SubjectPath,
    body: SubjectBody,
    mustExist: boolean,
  ): Promise<ManagementResult> {
    const command = { ...origin, ...path, mustExist };
    const sealed = await this.sealer.seal(body.changes(), bindingOf(SubjectChangeRequested, command));
    return this.manage.execute(message(SubjectChangeRequested, { ...command, sealed }));
  }
}
