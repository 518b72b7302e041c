import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { HealthController, RequestHooks } from '@countersign/http';
import { FunctionsModule } from './functions/functions.module.js';
import { AuthenticateAgent } from './http/authenticate-agent.js';
import { SwaigExceptionFilter } from './http/swaig-exception.filter.js';
import { SwaigRequestHooks } from './http/swaig-request-hooks.js';
import { KeypadModule } from './keypad/keypad.module.js';
import { ServicesModule, type OpenedResources } from './services.module.js';

@Module({
  imports: [FunctionsModule, KeypadModule],
  controllers: [HealthController],
  providers: [
    AuthenticateAgent,
    { provide: RequestHooks, useClass: SwaigRequestHooks },
    { provide: APP_FILTER, useClass: SwaigExceptionFilter },
  ],
})
export class SwaigAdapterModule {
  static with(opened: OpenedResources): DynamicModule {
    return { module: SwaigAdapterModule, imports: [ServicesModule.with(opened)] };
  }
}
