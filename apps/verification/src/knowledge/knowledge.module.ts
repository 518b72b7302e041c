import { Global, Module } from '@nestjs/common';
import { DirectoryCache } from '@countersign/directory-cache';
import { DirectoryKnowledge } from '../attempts/directory-policies.store.js';
import { EnrolKnowledge } from './enrol-knowledge.use-case.js';
import { KnowledgePolicies } from './knowledge.ports.js';

@Global()
@Module({
  providers: [
    {
      provide: KnowledgePolicies,
      inject: [DirectoryCache],
      useFactory: (directory: DirectoryCache) => new DirectoryKnowledge(directory),
    },
    EnrolKnowledge,
  ],
  exports: [KnowledgePolicies, EnrolKnowledge],
})
export class KnowledgeModule {}
