import { Module } from '@nestjs/common';
import { ApiKeysHandler } from './api-keys.handler.js';
import { ManageApiKeys } from './manage-api-keys.use-case.js';

@Module({ controllers: [ApiKeysHandler], providers: [ManageApiKeys] })
export class ApiKeysModule {}
