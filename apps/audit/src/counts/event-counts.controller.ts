import { Controller, Get, Query, Req } from '@nestjs/common';
import {
  EventCountsQuery,
  MAX_COUNT_STEPS,
  Requires,
  visibleTenant,
  type ClientRequest,
  type CountStep,
  type EventCounts,
} from '@countersign/api';
import { ReadEventCounts } from './read-event-counts.use-case.js';

const STEP_MS: Readonly<Record<CountStep, number>> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };

/** Counts of events per step, for charts. */
@Controller('v1/events/counts')
export class EventCountsController {
  constructor(private readonly readCounts: ReadEventCounts) {}

  @Get()
  @Requires('audit')
  async counts(@Query() query: EventCountsQuery, @Req() request: ClientRequest): Promise<EventCounts> {
    const tenant = visibleTenant(request, query.tenant);
    const { step = 'hour' } = query;
    const to = query.to === undefined ? Date.now() : Date.parse(query.to);
    const earliest = to - MAX_COUNT_STEPS * STEP_MS[step];
    const begin = query.from === undefined ? earliest : Math.max(Date.parse(query.from), earliest);
    // Steps are those of UTC, as the epoch.
    const from = Math.floor(begin / STEP_MS[step]) * STEP_MS[step];
    const items = await this.readCounts.read(tenant, { step, from: new Date(from), to: new Date(to) });
    return { step, from: new Date(from).toISOString(), to: new Date(to).toISOString(), items };
  }
}
