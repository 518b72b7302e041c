import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Put, Res } from '@nestjs/common';
import {
  bindingOf,
  KnowledgeChangeRequested,
  message,
  NAME_PATTERN,
  PinChangeRequested,
  SUBJECT_PATTERN,
  SubjectChangeRequested,
  SubjectEraseRequested,
  SubjectStateRequested,
} from '@countersign/contracts';
import { PayloadSealer } from '@countersign/crypto';
import { type FastifyReply } from 'fastify';
import { Requires } from '../http/authenticate.js';
import { KnowledgeBody, NAME_RULE, PinBody, SUBJECT_RULE, SubjectBody, SubjectPatchBody } from './bodies.js';
import { Manage, type Done } from './manage.js';
import { readBody, readName } from '../http/read-body.js';
import { RestRequestLimits } from '../http/request-limits.js';

/** Whom a command is about. */
interface Target {
  readonly commandId: string;
  readonly tenant: string;
  readonly subject: string;
}

/** The people who call. What is known of them travels sealed for the verification service. */
@Controller('v1/tenants/:tenant/subjects/:subject')
export class SubjectsController {
  constructor(
    private readonly manage: Manage,
    private readonly sealer: PayloadSealer,
    private readonly limits: RestRequestLimits,
  ) {}

  @Put()
  @Requires('manage')
  async putSubject(
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
    @Body() raw: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<Record<string, unknown>> {
    const target = this.#target(tenantName, subjectId);
    const { created, state } = await this.#change(target, readBody(SubjectBody, raw), false);
    void reply.code(created ? 201 : 200);
    return state;
  }

  /** RFC 7396: null clears a field. A subject that does not exist is not found. */
  @Patch()
  @Requires('manage')
  async patchSubject(
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
    @Body() raw: unknown,
  ): Promise<Record<string, unknown>> {
    const target = this.#target(tenantName, subjectId);
    return (await this.#change(target, readBody(SubjectPatchBody, raw), true)).state;
  }

  @Get()
  @Requires('manage')
  async getSubject(
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
  ): Promise<Record<string, unknown>> {
    const target = this.#target(tenantName, subjectId);
    const { state } = await this.manage.execute(message(SubjectStateRequested, target));
    return state;
  }

  @Put('pin')
  @HttpCode(204)
  @Requires('manage')
  async putPin(
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
    @Body() raw: unknown,
  ): Promise<void> {
    const target = this.#target(tenantName, subjectId);
    const { pin, forceChange } = readBody(PinBody, raw);
    await this.limits.enrolment(target.tenant, target.subject);
    const sealed = await this.sealer.seal({ pin, forceChange }, bindingOf(PinChangeRequested, target));
    await this.manage.execute(message(PinChangeRequested, { ...target, sealed }));
  }

  @Put('knowledge')
  @HttpCode(204)
  @Requires('manage')
  async putKnowledge(
    @Param('tenant') tenantName: string,
    @Param('subject') subjectId: string,
    @Body() raw: unknown,
  ): Promise<void> {
    const target = this.#target(tenantName, subjectId);
    const { answers } = readBody(KnowledgeBody, raw);
    await this.limits.enrolment(target.tenant, target.subject);
    const sealed = await this.sealer.seal({ answers }, bindingOf(KnowledgeChangeRequested, target));
    await this.manage.execute(message(KnowledgeChangeRequested, { ...target, sealed }));
  }

  @Delete()
  @HttpCode(204)
  @Requires('manage')
  async erase(@Param('tenant') tenantName: string, @Param('subject') subjectId: string): Promise<void> {
    await this.manage.execute(message(SubjectEraseRequested, this.#target(tenantName, subjectId)));
  }

  async #change(target: Target, body: SubjectBody, mustExist: boolean): Promise<Done> {
    const command = { ...target, mustExist };
    const sealed = await this.sealer.seal(body.changes(), bindingOf(SubjectChangeRequested, command));
    return this.manage.execute(message(SubjectChangeRequested, { ...command, sealed }));
  }

  #target(tenantName: string, subjectId: string): Target {
    return {
      commandId: this.manage.commandId(),
      tenant: readName('tenant', tenantName, NAME_PATTERN, NAME_RULE),
      subject: readName('subject', subjectId, SUBJECT_PATTERN, SUBJECT_RULE),
    };
  }
}
