import { Global, Module } from '@nestjs/common';
import { DirectoryKnowledge } from '../attempts/directory-policies.store.js';
import { EnrolKnowledge } from './enrol-knowledge.use-case.js';
import { KnowledgePolicies } from './knowledge.ports.js';

@Global()
@Module({
  providers: [{ provide: KnowledgePolicies, useClass: DirectoryKnowledge }, EnrolKnowledge],
  exports: [KnowledgePolicies, EnrolKnowledge],
})
export class KnowledgeModule {}
