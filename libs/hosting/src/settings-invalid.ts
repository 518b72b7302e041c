import { ServiceError } from '@countersign/runtime';

/** For rules over several settings at once. @param faults each begins with the name of a setting, and holds no value */
export function settingsInvalid(faults: readonly string[]): ServiceError {
  const lines = faults.map((fault) => `  ${fault}`).join('\n');
  return new ServiceError('SETTINGS_INVALID', `These settings are missing or wrong:\n${lines}`, false);
}
