import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { Requires, KeyPath, TenantPath, Problems } from '@countersign/api';
import {
  ApiKeyChangeRequested,
  ApiKeyCreateRequested,
  ApiKeyDeleteRequested,
  ApiKeyListRequested,
  ApiKeyRequested,
  ApiKeyRotateRequested,
  ApiKeyStateChangeRequested,
  message,
} from '@countersign/contracts';
import { createApiKey, sha256 } from '@countersign/crypto';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { v7 as uuid } from 'uuid';
import { ApiKeyBody, ApiKeyListQuery, ApiKeyPage, ApiKeyPatchBody, ApiKeyState, NewApiKey } from './api-keys.dto.js';
import { defined, Manage, Origin, withReason, type CommandOrigin } from '../manage.js';
import { DisableBody, ReasonQuery, RotateBody } from '../tenants/tenants.dto.js';

/** The API keys of a tenant. */
@Controller('v1/tenants/:tenant/keys')
@ApiTags('keys')
export class ApiKeysController {
  constructor(private readonly manage: Manage) {}

  @Get()
  @Requires('manage:read')
  @ApiOperation({ summary: 'List the API keys of a tenant, the oldest first' })
  @ApiOkResponse({ type: ApiKeyPage, description: 'One page of the list.' })
  @Problems('unavailable')
  listApiKeys(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Query() query: ApiKeyListQuery,
  ): Promise<ApiKeyPage> {
    const filters = defined({ agent: query.agent });
    return this.manage.read<ApiKeyPage>(
      message(ApiKeyListRequested, { ...origin, tenant, ...query.page(), ...filters }),
    );
  }

  @Post()
  @HttpCode(201)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Create an API key; its text is shown once' })
  @ApiCreatedResponse({ type: NewApiKey, description: 'The key was created.' })
  @Problems('audit-scope-missing', 'tenant-deleting', 'unavailable')
  async createApiKey(
    @Origin() origin: CommandOrigin,
    @Param() { tenant }: TenantPath,
    @Body() body: ApiKeyBody,
  ): Promise<NewApiKey> {
    const key = createApiKey();
    // Ids in the order of their creation, so that a list shows the oldest first.
    const keyId = `key_${uuid().replaceAll('-', '')}`;
    const { name, scopes, agent } = body;
    const fields = { ...origin, tenant, keyId, name, scopes, ...defined({ agent }), ...body.end(), hash: sha256(key) };
    return { ...(await this.manage.read<ApiKeyState>(message(ApiKeyCreateRequested, fields))), key };
  }

  @Get(':keyId')
  @Requires('manage:read')
  @ApiOperation({ summary: 'Read an API key, without its text' })
  @ApiOkResponse({ type: ApiKeyState, description: 'The key.' })
  @Problems('unavailable')
  readApiKey(@Origin() origin: CommandOrigin, @Param() path: KeyPath): Promise<ApiKeyState> {
    return this.manage.read<ApiKeyState>(message(ApiKeyRequested, { ...origin, ...path }));
  }

  @Patch(':keyId')
  @Requires('manage')
  @ApiOperation({ summary: 'Change the name of an API key' })
  @ApiOkResponse({ type: ApiKeyState, description: 'The key was changed.' })
  @Problems('tenant-deleting', 'unavailable')
  patchApiKey(
    @Origin() origin: CommandOrigin,
    @Param() path: KeyPath,
    @Body() { name }: ApiKeyPatchBody,
  ): Promise<ApiKeyState> {
    return this.manage.read<ApiKeyState>(message(ApiKeyChangeRequested, { ...origin, ...path, ...defined({ name }) }));
  }

  @Post(':keyId/disable')
  @HttpCode(200)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Disable an API key: it is refused until it is enabled' })
  @ApiBody({ type: DisableBody, required: false })
  @ApiOkResponse({ type: ApiKeyState, description: 'The key is disabled.' })
  @Problems('tenant-deleting', 'unavailable')
  disableApiKey(
    @Origin() origin: CommandOrigin,
    @Param() path: KeyPath,
    @Body() { reason }: DisableBody,
  ): Promise<ApiKeyState> {
    const change = { state: 'disabled', ...defined({ reason }) } as const;
    return this.manage.read<ApiKeyState>(message(ApiKeyStateChangeRequested, { ...origin, ...path, ...change }));
  }

  @Post(':keyId/enable')
  @HttpCode(200)
  @Requires('manage')
  @ApiOperation({ summary: 'Enable an API key' })
  @ApiOkResponse({ type: ApiKeyState, description: 'The key is enabled.' })
  @Problems('tenant-deleting', 'unavailable')
  enableApiKey(@Origin() origin: CommandOrigin, @Param() path: KeyPath): Promise<ApiKeyState> {
    const state = 'enabled';
    return this.manage.read<ApiKeyState>(message(ApiKeyStateChangeRequested, { ...origin, ...path, state }));
  }

  @Post(':keyId/rotate')
  @HttpCode(200)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Rotate an API key; the old text stays valid for a grace period' })
  @ApiBody({ type: RotateBody, required: false })
  @ApiOkResponse({ type: NewApiKey, description: 'The key with its new text.' })
  @Problems('audit-scope-missing', 'tenant-deleting', 'unavailable')
  async rotateApiKey(
    @Origin() origin: CommandOrigin,
    @Param() path: KeyPath,
    @Body() { graceSeconds }: RotateBody,
  ): Promise<NewApiKey> {
    const key = createApiKey();
    const fields = { ...origin, ...path, hash: sha256(key), graceSeconds };
    return { ...(await this.manage.read<ApiKeyState>(message(ApiKeyRotateRequested, fields))), key };
  }

  @Delete(':keyId')
  @HttpCode(204)
  @Requires('manage', { recentSignIn: true })
  @ApiOperation({ summary: 'Delete an API key: it is refused for good' })
  @ApiNoContentResponse({ description: 'The key was deleted.' })
  @Problems('tenant-deleting', 'unavailable')
  async deleteApiKey(
    @Origin() origin: CommandOrigin,
    @Param() path: KeyPath,
    @Query() query: ReasonQuery,
  ): Promise<void> {
    await this.manage.execute(message(ApiKeyDeleteRequested, { ...withReason(origin, query), ...path }));
  }
}
