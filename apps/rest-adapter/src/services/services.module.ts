import { Module } from '@nestjs/common';
import { ServicesController } from './services.controller.js';

/** The health of all services. */
@Module({ controllers: [ServicesController] })
export class ServiceStatesModule {}
