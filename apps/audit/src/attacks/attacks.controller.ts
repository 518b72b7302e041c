import { Controller, Get, Query, Req } from '@nestjs/common';
import { actorOf, AttacksQuery, Requires, visibleTenant, type Attacks, type ClientRequest } from '@countersign/api';
import { ListAttacks } from './list-attacks.use-case.js';

/** Detected attacks, tightened limits and refusals of the last day. */
@Controller('v1/attacks')
export class AttacksController {
  constructor(private readonly listAttacks: ListAttacks) {}

  @Get()
  @Requires('audit')
  list(@Query() { tenant: asked }: AttacksQuery, @Req() request: ClientRequest): Promise<Attacks> {
    const tenant = visibleTenant(request, asked);
    const reader = { actor: actorOf(request), tenant: request.client?.tenant };
    return this.listAttacks.list(reader, tenant === undefined ? {} : { tenant }, new Date());
  }
}
