import { type INestMicroservice, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BusServer, type BusServerOptions } from './bus-server.js';
import { PassErrorsFilter } from './pass-errors.filter.js';

export interface BusAppOptions extends Omit<BusServerOptions, 'logger'> {
  /** Logger of Nest and the server. Default: none. */
  readonly logger?: LoggerService;
}

/** The root module of a Nest application, as NestFactory takes it. */
export type RootModule = Parameters<typeof NestFactory.createMicroservice>[0];

/**
 * Creates a Nest application with handlers (`@MessagePattern(X.type)` with `@Payload()` and `@Ctx()`) that receive
 * messages from the bus. `listen()` resolves when the group is joined; `close()` finishes what is in flight.
 * @throws errors of the module's providers; the process is not ended
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
