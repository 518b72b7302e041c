import { Module, type DynamicModule } from '@nestjs/common';
import { AttacksController } from './attacks.controller.js';
import { ListAttacks } from './list-attacks.use-case.js';

/** The attacks of the last day. */
@Module({ controllers: [AttacksController], providers: [ListAttacks] })
export class AttacksModule {
  /** @param search the module that reads events */
  static with(search: DynamicModule): DynamicModule {
    return { module: AttacksModule, imports: [search] };
  }
}
