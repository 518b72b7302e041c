import { Module, type DynamicModule } from '@nestjs/common';
import { AuditHandler } from './audit.handler.js';
import { AuditTrail } from './ports.js';
import { RecordFact } from './record-fact.js';

@Module({})
export class AuditModule {
  static with(trail: AuditTrail): DynamicModule {
    return {
      module: AuditModule,
      controllers: [AuditHandler],
      providers: [
        { provide: AuditTrail, useValue: trail },
        { provide: RecordFact, useFactory: (port: AuditTrail) => new RecordFact(port), inject: [AuditTrail] },
      ],
    };
  }
}
