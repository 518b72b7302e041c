import { Catch, type ExceptionFilter } from '@nestjs/common';

/**
 * Lets errors of handlers through as they are. Nest's own filter turns them into "Internal server error" and logs the
 * original with its message, which nobody has checked for secrets.
 */
@Catch()
export class PassErrorsFilter implements ExceptionFilter {
  catch(exception: unknown): never {
    throw exception;
  }
}
