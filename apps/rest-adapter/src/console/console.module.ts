import { Module } from '@nestjs/common';
import { ConsoleController } from './console.controller.js';

/** Serves the built console to browsers. */
@Module({ controllers: [ConsoleController] })
export class ConsoleModule {}
