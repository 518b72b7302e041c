import { Injectable } from '@nestjs/common';
import {
  WEBHOOK_TEST_KIND,
  type CommandAnswered,
  type DeliveryListRequested,
  type DeliveryReplayRequested,
  type WebhookTestRequested,
} from '@countersign/contracts';
import { Clock } from '@countersign/runtime';
import { v7 as uuid } from 'uuid';
import { structuredEvent } from '../deliveries/public-event.js';
import { answered } from './manage-webhooks.use-case.js';
import { WebhookStore } from './subscriptions.ports.js';
import { deliveryPage, deliveryResource } from './webhook-resources.js';

/** Carries out the commands about the deliveries of a webhook. */
@Injectable()
export class ManageDeliveries {
  constructor(
    private readonly store: WebhookStore,
    private readonly clock: Clock,
  ) {}

  async list(command: DeliveryListRequested): Promise<CommandAnswered> {
    const { tenant, webhook, limit, cursor, state } = command;
    const found = await this.store.deliveries(tenant, webhook, { limit: limit + 1, before: cursor, state });
    return found ? answered(command, 'found', { body: deliveryPage(found, limit) }) : answered(command, 'not_found');
  }

  async replay(command: DeliveryReplayRequested): Promise<CommandAnswered> {
    const found = await this.store.replay(command, command.delivery);
    return found ? answered(command, 'updated', { body: deliveryResource(found) }) : answered(command, 'not_found');
  }

  async test(command: WebhookTestRequested): Promise<CommandAnswered> {
    const { tenant, webhook } = command;
    const eventId = uuid();
    const time = new Date(this.clock.now()).toISOString();
    const type = `countersign.${WEBHOOK_TEST_KIND}.v1`;
    const attributes = { specversion: '1.0', id: eventId, source: '/countersign', type, time, tenant };
    const body = structuredEvent(attributes, Buffer.from(JSON.stringify({ webhook, message: 'This is a test.' })));
    const found = await this.store.queueTest(command, { eventId, body });
    return found ? answered(command, 'created', { body: deliveryResource(found) }) : answered(command, 'not_found');
  }
}
