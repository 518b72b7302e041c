import { Module, type DynamicModule } from '@nestjs/common';
import { AuditHandler } from './facts.handler.js';
import { DeadLetterHandler } from './dead-letters.handler.js';
import { AuditTrail } from './trail.ports.js';
import { RecordDeadLetter } from './record-dead-letter.use-case.js';
import { RecordFact } from './record-fact.use-case.js';

/**
 * Takes dead letters apart from facts: on the bus inside one process the sender of a letter waits until it is handled,
 * and places that are all taken by facts which wait so would never be free again.
 */
@Module({})
export class DeadLetterModule {
  static with(trail: AuditTrail): DynamicModule {
    return {
      module: DeadLetterModule,
      controllers: [DeadLetterHandler],
      providers: [{ provide: RecordDeadLetter, useValue: new RecordDeadLetter(new RecordFact(trail)) }],
    };
  }
}

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
