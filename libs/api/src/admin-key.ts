import { type Secret } from '@countersign/crypto';
import { IsSecret } from '@countersign/hosting';
import { parseSetting } from '@countersign/runtime';

/** Shortest administrator key, in characters: 24 of base64 are 144 bits. */
const ADMIN_KEY_LENGTH = 24;

/** Rule of the setting `ADMIN_API_KEY`; {@link readAdminKey} checks the rest. */
export const IsAdminKey = (): PropertyDecorator => IsSecret(ADMIN_KEY_LENGTH);

/** @throws ServiceError SETTINGS_INVALID with the name of the setting and the rule, never the value */
export function readAdminKey(settings: { readonly ADMIN_API_KEY: Secret }): Promise<Secret> {
  return parseSetting('ADMIN_API_KEY', () => checkedAdminKey(settings.ADMIN_API_KEY));
}

/** A key that can be sent in a header as it is. @throws Error that states the rule */
function checkedAdminKey(key: Secret): Secret {
  if (!/^[\x21-\x7e]+$/.test(key.reveal())) throw new Error('must be printable ASCII without spaces');
  return key;
}
