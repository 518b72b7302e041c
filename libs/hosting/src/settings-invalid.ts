import { ServiceError } from '@countersign/runtime';

/** The error for rules that involve several settings. @param faults each begins with a setting's name and contains no value */
export function settingsInvalid(faults: readonly string[]): ServiceError {
  const lines = faults.map((fault) => `  ${fault}`).join('\n');
  return new ServiceError('SETTINGS_INVALID', `These settings are missing or wrong:\n${lines}`, false);
}
