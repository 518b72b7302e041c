import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { Requires, TenantPath, Problems } from '@countersign/api';
import {
  DeliveryListRequested,
  DeliveryReplayRequested,
  message,
  WebhookChangeRequested,
  WebhookCreateRequested,
  WebhookDeleteRequested,
  WebhookListRequested,
  WebhookRequested,
  WebhookSecretRotateRequested,
  WebhookStateChangeRequested,
  WebhookTestRequested,
  type DirectoryState,
} from '@countersign/contracts';
import { createSealingKeys, PayloadOpener, Secret } from '@countersign/crypto';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { v7 as uuid } from 'uuid';
import { Conditions, HasEntityTag, type Conditional } from '../http/entity-tags.js';
import { defined, HasAuditScope, Manage, Origin, withReason, type CommandOrigin } from '../management/manage.js';
import { ReasonQuery } from '../management/tenants/tenants.dto.js';
import {
  DeliveryListQuery,
  DeliveryPage,
  DeliveryPath,
  DeliveryResource,
  pageOf,
  RotateSecretBody,
  WebhookBody,
  WebhookListQuery,
  WebhookPage,
  WebhookPatchBody,
  WebhookPath,
  WebhookState,
  WebhookWithSecret,
} from './webhooks.dto.js';

/** The webhooks of a tenant, and their delivery logs. */
@Controller('v1/tenants/:tenant/webhooks')
@ApiTags('webhooks')
export class WebhooksController {
  constructor(private readonly manage: Manage) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the webhooks of a tenant, in the order of their creation' })
  @ApiOkResponse({ type: WebhookPage, description: 'One page of the list.' })
  @Problems('unavailable')
  listWebhooks(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Query() query: WebhookListQuery,
  ): Promise<WebhookPage> {
    return this.manage.read<WebhookPage>(message(WebhookListRequested, { ...origin, tenant, ...pageOf(query) }));
  }

  @Post()
  @HttpCode(201)
  @Requires('manage')
  @ApiOperation({ summary: 'Subscribe a URL to events; the signing secret is shown once' })
  @ApiCreatedResponse({ type: WebhookWithSecret, description: 'The webhook was created.' })
  @Problems('audit-scope-missing', 'conflict', 'unavailable')
  createWebhook(
    @Origin() origin: CommandOrigin,
    @HasAuditScope() hasAuditScope: boolean,
    @Param() { tenant }: TenantPath,
    @Body() { url, eventTypes, description }: WebhookBody,
  ): Promise<WebhookWithSecret> {
    const fields = { ...origin, tenant, webhook: uuid(), url, eventTypes, hasAuditScope, ...defined({ description }) };
    return this.#withSecret(origin, (replyKeys) => message(WebhookCreateRequested, { ...fields, replyKeys }));
  }

  @Get(':webhook')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read a webhook, without its secret' })
  @ApiOkResponse({ type: WebhookState, description: 'The webhook.' })
  @Problems('unavailable')
  @HasEntityTag()
  readWebhook(@Origin() origin: CommandOrigin, @Param() { tenant, webhook }: WebhookPath): Promise<WebhookState> {
    return this.manage.read<WebhookState>(message(WebhookRequested, { ...origin, tenant, webhook }));
  }

  @Patch(':webhook')
  @Requires('manage')
  @ApiOperation({ summary: 'Change the URL, the kinds of events or the description of a webhook' })
  @ApiOkResponse({ type: WebhookState, description: 'The webhook was changed.' })
  @Problems('audit-scope-missing', 'unavailable')
  @HasEntityTag()
  patchWebhook(
    @Origin() origin: CommandOrigin,
    @HasAuditScope() hasAuditScope: boolean,
    @Param() { tenant, webhook }: WebhookPath,
    @Body() { url, eventTypes, description }: WebhookPatchBody,
    @Conditions() conditions: Conditional,
  ): Promise<WebhookState> {
    const changes = defined({ url, eventTypes, description });
    const fields = { ...origin, tenant, webhook, ...conditions, ...changes, hasAuditScope };
    return this.manage.read<WebhookState>(message(WebhookChangeRequested, fields));
  }

  @Delete(':webhook')
  @HttpCode(204)
  @Requires('manage')
  @ApiOperation({ summary: 'Delete a webhook with its deliveries' })
  @ApiNoContentResponse({ description: 'The webhook was deleted.' })
  @Problems('unavailable')
  @HasEntityTag()
  async deleteWebhook(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, webhook }: WebhookPath,
    @Query() query: ReasonQuery,
    @Conditions() conditions: Conditional,
  ): Promise<void> {
    const fields = { ...withReason(origin, query), tenant, webhook, ...conditions };
    await this.manage.execute(message(WebhookDeleteRequested, fields));
  }

  @Post(':webhook/disable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Disable a webhook: deliveries that wait are kept, and new events are not queued' })
  @ApiOkResponse({ type: WebhookState, description: 'The webhook is disabled.' })
  @Problems('unavailable')
  @HasEntityTag()
  disableWebhook(@Origin() origin: CommandOrigin, @Param() path: WebhookPath): Promise<WebhookState> {
    return this.#setState(origin, path, 'disabled');
  }

  @Post(':webhook/enable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Enable a webhook: deliveries that were kept are sent' })
  @ApiOkResponse({ type: WebhookState, description: 'The webhook is enabled.' })
  @Problems('unavailable')
  @HasEntityTag()
  enableWebhook(@Origin() origin: CommandOrigin, @Param() path: WebhookPath): Promise<WebhookState> {
    return this.#setState(origin, path, 'enabled');
  }

  @Post(':webhook/rotate')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({
    summary: 'Give a webhook a new secret; for a grace period deliveries carry the signatures of both secrets',
  })
  @ApiBody({ type: RotateSecretBody, required: false })
  @ApiOkResponse({ type: WebhookWithSecret, description: 'The new secret.' })
  @Problems('unavailable')
  rotateWebhookSecret(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, webhook }: WebhookPath,
    @Body() { graceSeconds }: RotateSecretBody,
  ): Promise<WebhookWithSecret> {
    const fields = { ...origin, tenant, webhook, graceSeconds };
    return this.#withSecret(origin, (replyKeys) => message(WebhookSecretRotateRequested, { ...fields, replyKeys }));
  }

  @Post(':webhook/test')
  @HttpCode(201)
  @Requires('manage')
  @ApiOperation({ summary: 'Send a test event once, also to a disabled webhook; read its delivery for the result' })
  @ApiCreatedResponse({ type: DeliveryResource, description: 'The test event was queued.' })
  @Problems('unavailable')
  testWebhook(@Origin() origin: CommandOrigin, @Param() { tenant, webhook }: WebhookPath): Promise<DeliveryResource> {
    return this.manage.read<DeliveryResource>(message(WebhookTestRequested, { ...origin, tenant, webhook }));
  }

  @Get(':webhook/deliveries')
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the deliveries of a webhook, the newest first' })
  @ApiOkResponse({ type: DeliveryPage, description: 'One page of the log.' })
  @Problems('unavailable')
  listDeliveries(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, webhook }: WebhookPath,
    @Query() query: DeliveryListQuery,
  ): Promise<DeliveryPage> {
    const fields = { ...origin, tenant, webhook, ...pageOf(query) };
    return this.manage.read<DeliveryPage>(message(DeliveryListRequested, fields));
  }

  @Post(':webhook/deliveries/:delivery/replay')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Send a delivery again, with the same `webhook-id`; one that waits is sent now' })
  @ApiOkResponse({ type: DeliveryResource, description: 'The delivery is due.' })
  @Problems('unavailable')
  replayDelivery(
    @Origin() origin: CommandOrigin,
    @Param() { tenant, webhook, delivery }: DeliveryPath,
  ): Promise<DeliveryResource> {
    return this.manage.read<DeliveryResource>(
      message(DeliveryReplayRequested, { ...origin, tenant, webhook, delivery }),
    );
  }

  #setState(origin: CommandOrigin, { tenant, webhook }: WebhookPath, state: DirectoryState): Promise<WebhookState> {
    return this.manage.read<WebhookState>(message(WebhookStateChangeRequested, { ...origin, tenant, webhook, state }));
  }

  /** The secret is created by the service that stores it, and encrypted for a key pair that exists for this request only. */
  async #withSecret(
    { commandId }: CommandOrigin,
    command: (replyKeys: string) => WebhookCreateRequested | WebhookSecretRotateRequested,
  ): Promise<WebhookWithSecret> {
    const { privateKeys, publicKeys } = await createSealingKeys('reply');
    const answer = await this.manage.read<WebhookState & { sealedSecret: string }>(command(publicKeys));
    const { sealedSecret, ...webhook } = answer;
    const opener = await PayloadOpener.fromKeySet(new Secret(privateKeys));
    const { secret } = await opener.unseal(sealedSecret, commandId);
    return { ...webhook, secret: String(secret) };
  }
}
