import { Module, type DynamicModule } from '@nestjs/common';
import { DirectoryHandler } from './directory.handler.js';
import { ManageDirectory } from './manage-directory.use-case.js';

@Module({})
export class DirectoryModule {
  static with(directory: ManageDirectory): DynamicModule {
    return {
      module: DirectoryModule,
      controllers: [DirectoryHandler],
      providers: [{ provide: ManageDirectory, useValue: directory }],
    };
  }
}
