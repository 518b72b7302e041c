import { type INestMicroservice, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BusServer, type BusServerOptions } from './bus-server.js';
import { PassErrorsFilter } from './pass-errors.filter.js';

export interface BusAppOptions extends Omit<BusServerOptions, 'logger'> {
  /** Takes what Nest and the server have to say. Default: silence. */
  readonly logger?: LoggerService;
}

/** The root module of a Nest application, as NestFactory takes it. */
export type RootModule = Parameters<typeof NestFactory.createMicroservice>[0];

/**
 * A Nest application whose handlers (`@MessagePattern(X.type)` with `@Payload()` and `@Ctx()`) are fed by the bus.
 * `listen()` resolves when the group is joined; `close()` finishes what is in flight.
 * @throws whatever the module's providers throw; the process is not ended
 */
export async function createBusApp(module: RootModule, options: BusAppOptions): Promise<INestMicroservice> {
  const app = await NestFactory.createMicroservice(module, {
    strategy: new BusServer(options),
    logger: options.logger ?? false,
    abortOnError: false,
  });
  app.useGlobalFilters(new PassErrorsFilter());
  return app;
}
