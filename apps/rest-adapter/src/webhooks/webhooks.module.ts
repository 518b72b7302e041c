import { Module } from '@nestjs/common';
import { Manage } from '../management/manage.js';
import { WebhooksController } from './webhooks.controller.js';

@Module({ controllers: [WebhooksController], providers: [Manage] })
export class WebhookManagementModule {}
