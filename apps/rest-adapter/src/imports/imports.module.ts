import { Module } from '@nestjs/common';
import { Manage } from '../management/manage.js';
import { ExportSubjects } from './export-subjects.use-case.js';
import { ImportsController } from './imports.controller.js';
import { StreamImport } from './stream-import.use-case.js';

@Module({ controllers: [ImportsController], providers: [StreamImport, ExportSubjects, Manage] })
export class ImportStreamsModule {}
