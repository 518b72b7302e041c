import { Module } from '@nestjs/common';
import { StreamImport } from './stream-import.use-case.js';
import { ImportsController } from './imports.controller.js';

@Module({ controllers: [ImportsController], providers: [StreamImport] })
export class ImportStreamsModule {}
