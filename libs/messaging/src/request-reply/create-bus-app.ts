import { Catch, type ExceptionFilter, type INestMicroservice, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BusServer, type BusServerOptions } from './bus-server.js';

export interface BusAppOptions extends Omit<BusServerOptions, 'logger'> {
  /** Logger of Nest and the server. Default: none. */
  readonly logger?: LoggerService;
}

/**
 * Rethrows errors of handlers unchanged. The default filter of Nest replaces them by "Internal server error" and logs
 * the original message, which may contain secrets.
 */
@Catch()
class PassErrorsFilter implements ExceptionFilter {
  catch(exception: unknown): never {
    throw exception;
  }
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
