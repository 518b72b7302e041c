import { type KeyCheckValue } from '@countersign/contracts';
import { ServiceError } from '@countersign/runtime';
import { CheckRequiredKeys } from './check-required-keys.use-case.js';
import { KeyRecords } from './integrity.ports.js';

const keyOf = (keyId: string): KeyCheckValue => ({ keyId, value: `value of ${keyId}` });

class RequiredKeysInMemory extends KeyRecords {
  keys: readonly KeyCheckValue[] | undefined = [];

  override recordForeign(): Promise<boolean> {
    return Promise.resolve(true);
  }

  override required(setting: string): Promise<readonly KeyCheckValue[]> {
    if (this.keys === undefined) return Promise.reject(new ServiceError('DATABASE_UNAVAILABLE', 'down', true));
    return Promise.resolve(setting === 'IDENTIFIER_KEY' ? this.keys : []);
  }
}

let records: RequiredKeysInMemory;
let faults: Error[];
let check: CheckRequiredKeys;
beforeEach(() => {
  records = new RequiredKeysInMemory();
  faults = [];
  check = new CheckRequiredKeys(records, [keyOf('old'), keyOf('new')], (error) => faults.push(error));
});

describe('the check of the required keys', () => {
  it.each([
    ['no key is required', []],
    ['one of the keys of this process is required', ['new']],
    ['all keys of this process are required', ['old', 'new']],
  ])('does not end the process while %s', async (_, required) => {
    records.keys = required.map(keyOf);
    await check.check();
    expect(faults).toEqual([]);
  });

  it('ends the process with the id of a required key that it does not have, and without its value', async () => {
    records.keys = [keyOf('new'), keyOf('next')];
    await check.check();
    expect(faults).toMatchObject([{ code: 'SETTINGS_INVALID', message: 'IDENTIFIER_KEY must hold the key next' }]);
    expect(String(faults[0])).not.toContain('value of');
  });

  it('does not end the process when the database does not respond', async () => {
    records.keys = undefined;
    await expect(check.check()).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
    expect(faults).toEqual([]);
  });
});
