import { ServiceError } from '@countersign/runtime';

/** The fault of a command that was called with something that it cannot take. */
export function refusedSetting(what: string): ServiceError {
  return new ServiceError('SETTINGS_INVALID', what, false);
}
