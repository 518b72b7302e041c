import { Module } from '@nestjs/common';
import { AgentsHandler } from './agents.handler.js';
import { ManageAgents } from './manage-agents.use-case.js';

@Module({ controllers: [AgentsHandler], providers: [ManageAgents], exports: [ManageAgents] })
export class AgentsModule {}
