import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import { Requires, SubjectPath, TenantPath, Problems } from '@countersign/api';
import {
  bindingOf,
  CredentialRemoveRequested,
  KnowledgeChangeRequested,
  message,
  PinChangeRequested,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectListRequested,
  SubjectStateRequested,
  SubjectUnlockRequested,
  taggedPartOfSubject,
  type Method,
} from '@countersign/contracts';
import { PayloadSealer } from '@countersign/crypto';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { type FastifyReply } from 'fastify';
import { Conditions, HasEntityTag, type Conditional } from '../../http/entity-tags.js';
import { RestRequestLimits } from '../../http/request-limits.js';
import { defined, Manage, Origin, withReason, type CommandOrigin, type ManagementResult } from '../manage.js';
import { ReasonQuery } from '../tenants/tenants.dto.js';
import {
  KnowledgeBody,
  PinBody,
  SubjectBody,
  SubjectDetails,
  SubjectListQuery,
  SubjectPage,
  SubjectPatchBody,
  UnlockBody,
} from './subjects.dto.js';

/** The subjects of a tenant. Their data travels encrypted for the verification service. */
@ApiTags('subjects')
@Controller('v1/tenants/:tenant/subjects')
export class SubjectsController {
  constructor(
    private readonly manage: Manage,
    private readonly sealer: PayloadSealer,
    private readonly limits: RestRequestLimits,
  ) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the subjects of a tenant, in the order of their ids' })
  @ApiOkResponse({ type: SubjectPage, description: 'One page of the list.' })
  @Problems('unavailable')
  async listSubjects(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Query() query: SubjectListQuery,
  ): Promise<SubjectPage> {
    const { size: limit, cursor, credential, number: phone } = query;
    const command = { ...origin, tenant, limit, ...defined({ cursor, credential }) };
    // Sealed, because the number is personal data, and verification alone knows the hash under which it is stored.
    const sealed = phone && (await this.sealer.seal({ phone }, bindingOf(SubjectListRequested, command)));
    return this.manage.read<SubjectPage>(message(SubjectListRequested, { ...command, ...(sealed && { sealed }) }));
  }

  @Put(':subject')
  @Requires('manage')
  @ApiOperation({ summary: 'Create a subject or set fields of it; fields that are not sent are kept' })
  @ApiOkResponse({ type: SubjectDetails, description: 'The subject was changed.' })
  @ApiCreatedResponse({ type: SubjectDetails, description: 'The subject was created.' })
  @Problems('conflict', 'unavailable')
  @HasEntityTag(taggedPartOfSubject)
  async putSubject(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() body: SubjectBody,
    @Conditions() conditions: Conditional,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ManagementResult['state']> {
    const { created, state } = await this.#change({ ...origin, ...path, mustExist: false, ...conditions }, body);
    void reply.code(created ? 201 : 200);
    return state;
  }

  @Patch(':subject')
  @Requires('manage')
  @ApiOperation({ summary: 'Change fields of a subject; null clears a field' })
  @ApiOkResponse({ type: SubjectDetails, description: 'The subject was changed.' })
  @Problems('conflict', 'unavailable')
  @HasEntityTag(taggedPartOfSubject)
  async patchSubject(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Body() body: SubjectPatchBody,
    @Conditions() conditions: Conditional,
  ): Promise<ManagementResult['state']> {
    return (await this.#change({ ...origin, ...path, mustExist: true, ...conditions }, body)).state;
  }

  @Get(':subject')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read the state of a subject, with counters and locks of every credential' })
  @ApiOkResponse({ type: SubjectDetails, description: 'The state of the subject.' })
  @Problems('unavailable')
  @HasEntityTag(taggedPartOfSubject)
  async getSubject(@Origin() origin: CommandOrigin, @Param() path: SubjectPath): Promise<ManagementResult['state']> {
    return (await this.manage.execute(message(SubjectStateRequested, { ...origin, ...path }))).state;
  }

  @Delete(':subject')
  @HttpCode(204)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({
    summary: 'Erase a subject, its credentials and its key; the attempt counter and the audit events are kept',
  })
  @ApiNoContentResponse({ description: 'The subject was erased.' })
  @Problems('unavailable')
  @HasEntityTag(taggedPartOfSubject)
  async eraseSubject(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Query() query: ReasonQuery,
    @Conditions() conditions: Conditional,
  ): Promise<void> {
    await this.manage.execute(message(SubjectEraseRequested, { ...withReason(origin, query), ...path, ...conditions }));
  }

  @Put(':subject/pin')
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

  @Put(':subject/knowledge')
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

  @Delete(':subject/pin')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({
    summary: 'Remove the PIN of a subject; the attempt counter is kept, and the removed PIN cannot be enrolled again',
  })
  @ApiNoContentResponse({ description: 'The subject has no PIN.' })
  @Problems('unavailable')
  removePin(@Origin() origin: CommandOrigin, @Param() path: SubjectPath, @Query() query: ReasonQuery): Promise<void> {
    return this.#removeCredential(withReason(origin, query), path, 'pin');
  }

  @Delete(':subject/knowledge')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Remove the answers of a subject; the attempt counter is kept' })
  @ApiNoContentResponse({ description: 'The subject has no answers.' })
  @Problems('unavailable')
  removeKnowledge(
    @Origin() origin: CommandOrigin,
    @Param() path: SubjectPath,
    @Query() query: ReasonQuery,
  ): Promise<void> {
    return this.#removeCredential(withReason(origin, query), path, 'knowledge');
  }

  @Post(':subject/unlock')
  @HttpCode(204)
  @Requires('manage:operate')
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

  async #removeCredential(origin: CommandOrigin, path: SubjectPath, method: Method): Promise<void> {
    await this.manage.execute(message(CredentialRemoveRequested, { ...origin, ...path, method }));
  }

  async #change(
    command: CommandOrigin & SubjectPath & Conditional & Pick<SubjectChangeRequested, 'mustExist'>,
    body: SubjectBody,
  ): Promise<ManagementResult> {
    const sealed = await this.sealer.seal(body.changes(), bindingOf(SubjectChangeRequested, command));
    return this.manage.execute(message(SubjectChangeRequested, { ...command, sealed }));
  }
}
