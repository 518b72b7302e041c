import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import {
  ApiKeyChangeRequested,
  ApiKeyCreateRequested,
  ApiKeyDeleteRequested,
  ApiKeyListRequested,
  ApiKeyRequested,
  ApiKeyRotateRequested,
  ApiKeyStateChangeRequested,
  ApiKeyUseReported,
} from '@countersign/contracts';
import { replyTo, type BusContext, type Outgoing } from '@countersign/messaging';
import { ManageApiKeys } from './manage-api-keys.use-case.js';

/** The messages of {@link ApiKeysHandler}. */
export const API_KEY_MESSAGES = [
  ApiKeyCreateRequested,
  ApiKeyChangeRequested,
  ApiKeyStateChangeRequested,
  ApiKeyRotateRequested,
  ApiKeyDeleteRequested,
  ApiKeyRequested,
  ApiKeyListRequested,
  ApiKeyUseReported,
];

/** Handles the commands about API keys and replies with their answers. */
@Controller()
export class ApiKeysHandler {
  constructor(private readonly keys: ManageApiKeys) {}

  @MessagePattern(ApiKeyCreateRequested.type)
  async create(@Payload() command: ApiKeyCreateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.create(command));
  }

  @MessagePattern(ApiKeyChangeRequested.type)
  async change(@Payload() command: ApiKeyChangeRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.change(command));
  }

  @MessagePattern(ApiKeyStateChangeRequested.type)
  async changeState(
    @Payload() command: ApiKeyStateChangeRequested,
    @Ctx() context: BusContext,
  ): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.changeState(command));
  }

  @MessagePattern(ApiKeyRotateRequested.type)
  async rotate(@Payload() command: ApiKeyRotateRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.rotate(command));
  }

  @MessagePattern(ApiKeyDeleteRequested.type)
  async delete(@Payload() command: ApiKeyDeleteRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.delete(command));
  }

  @MessagePattern(ApiKeyRequested.type)
  async read(@Payload() command: ApiKeyRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.read(command));
  }

  @MessagePattern(ApiKeyListRequested.type)
  async list(@Payload() command: ApiKeyListRequested, @Ctx() context: BusContext): Promise<Outgoing | undefined> {
    return replyTo(context, await this.keys.list(command));
  }

  @MessagePattern(ApiKeyUseReported.type)
  async reportUse(@Payload() report: ApiKeyUseReported): Promise<void> {
    await this.keys.reportUse(report);
  }
}
