import { Module, type DynamicModule } from '@nestjs/common';
import { DirectoryHandler } from './directory.handler.js';
import { BasePolicies, DirectoryStore } from './directory.ports.js';
import { ManageDirectory } from './manage-directory.use-case.js';

@Module({ controllers: [DirectoryHandler], providers: [ManageDirectory] })
export class DirectoryModule {
  static with(store: DirectoryStore, basePolicies: BasePolicies): DynamicModule {
    return {
      module: DirectoryModule,
      providers: [
        { provide: DirectoryStore, useValue: store },
        { provide: BasePolicies, useValue: basePolicies },
      ],
    };
  }
}
