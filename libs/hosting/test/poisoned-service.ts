/**
 * A service with a handler that a record can crash, in its own process for `poison.int-spec.ts`:
 * `node build/libs/hosting/test/poisoned-service.js <settings as JSON>`. Prints what it handles to standard output.
 */
import { writeSync } from 'node:fs';
import { Message } from '@countersign/contracts';
import { createBroker, createBusApp } from '@countersign/messaging';
import { Migration, openDatabase, PostgresDeliveries } from '@countersign/persistence';
import { deliveryTables } from '@countersign/testing';
import { Controller, Module } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { IsString } from 'class-validator';

export interface BedSettings {
  readonly brokers: readonly string[];
  readonly topicPrefix: string;
  readonly databaseUrl: string;
}

export const SCHEMA = 'bed';
export const BED_TOPIC = { name: 'bed.work', kind: 'fact' } as const;

export class BedMigration1764000000000 extends Migration {
  override readonly statements = deliveryTables(SCHEMA);
}

/** Work to handle; the word `poison` ends the process. */
export class WorkRequested extends Message {
  static readonly type = 'work.requested.v1';
  static readonly topic = BED_TOPIC.name;
  @IsString() word!: string;
  get partitionKey(): string {
    return this.word;
  }
}

@Controller()
class BedController {
  @MessagePattern(WorkRequested.type)
  take(@Payload() { word }: WorkRequested): void {
    // Written synchronously, because buffered output is lost when the process ends.
    writeSync(1, `begun ${word}\n`);
    if (word === 'poison') process.kill(process.pid, 'SIGKILL');
  }
}

@Module({ controllers: [BedController] })
class BedModule {}

async function run(settings: BedSettings): Promise<void> {
  const database = await openDatabase({
    ...{ url: settings.databaseUrl, schema: SCHEMA, migrations: [BedMigration1764000000000] },
    applicationName: 'bed',
  });
  // The shortest session that a broker of the tests takes: a member that was killed holds its partitions until it ends.
  const broker = createBroker({ ...settings, clientId: 'bed', sessionTimeoutMs: 1_500 });
  const app = await createBusApp(BedModule, {
    ...{ broker, group: 'bed', messages: [WorkRequested], deliveries: new PostgresDeliveries(database) },
    onFatal: (error) => {
      writeSync(1, `fatal ${error.message}\n`);
      process.exit(1);
    },
  });
  process.on('SIGTERM', () => {
    void app
      .close()
      .then(() => broker.close())
      .then(() => database.close())
      .then(() => process.exit(0));
  });
  await app.listen();
  writeSync(1, 'ready\n');
}

const [, program = '', settings] = process.argv;
if (program.endsWith('poisoned-service.js') && settings !== undefined) await run(JSON.parse(settings) as BedSettings);
