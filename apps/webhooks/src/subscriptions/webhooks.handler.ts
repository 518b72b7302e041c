import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  DeliveryListRequested,
  DeliveryReplayRequested,
  WebhookChangeRequested,
  WebhookCreateRequested,
  WebhookDeleteRequested,
  WebhookListRequested,
  WebhookRequested,
  WebhookSecretRotateRequested,
  WebhookStateChangeRequested,
  WebhookTestRequested,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageDeliveries } from './manage-deliveries.use-case.js';
import { ManageWebhooks } from './manage-webhooks.use-case.js';

/** The messages of {@link WebhooksHandler}. */
export const WEBHOOK_MESSAGES = [
  ...[WebhookCreateRequested, WebhookRequested, WebhookListRequested, WebhookChangeRequested],
  ...[WebhookStateChangeRequested, WebhookSecretRotateRequested, WebhookDeleteRequested, WebhookTestRequested],
  ...[DeliveryListRequested, DeliveryReplayRequested],
];

/** Handles the commands about webhooks and replies with their answers. */
@Controller()
export class WebhooksHandler {
  constructor(
    private readonly webhooks: ManageWebhooks,
    private readonly deliveries: ManageDeliveries,
  ) {}

  @MessagePattern(WebhookCreateRequested.type)
  async create(@Payload() command: WebhookCreateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.create(command));
  }

  @MessagePattern(WebhookRequested.type)
  async read(@Payload() command: WebhookRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.read(command));
  }

  @MessagePattern(WebhookListRequested.type)
  async list(@Payload() command: WebhookListRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.list(command));
  }

  @MessagePattern(WebhookChangeRequested.type)
  async change(@Payload() command: WebhookChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.change(command));
  }

  @MessagePattern(WebhookStateChangeRequested.type)
  async changeState(
    @Payload() command: WebhookStateChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.changeState(command));
  }

  @MessagePattern(WebhookSecretRotateRequested.type)
  async rotate(
    @Payload() command: WebhookSecretRotateRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.rotate(command));
  }

  @MessagePattern(WebhookDeleteRequested.type)
  async delete(@Payload() command: WebhookDeleteRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.webhooks.delete(command));
  }

  @MessagePattern(WebhookTestRequested.type)
  async test(@Payload() command: WebhookTestRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.deliveries.test(command));
  }

  @MessagePattern(DeliveryListRequested.type)
  async listDeliveries(
    @Payload() command: DeliveryListRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.deliveries.list(command));
  }

  @MessagePattern(DeliveryReplayRequested.type)
  async replay(@Payload() command: DeliveryReplayRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.deliveries.replay(command));
  }
}
