import { Catch, type ExceptionFilter } from '@nestjs/common';

/**
 * Rethrows errors of handlers unchanged. The default filter of Nest replaces them by "Internal server error" and logs
 * the original message, which may contain secrets.
 */
@Catch()
export class PassErrorsFilter implements ExceptionFilter {
  catch(exception: unknown): never {
    throw exception;
  }
}
