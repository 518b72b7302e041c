import { personalDataVaultContract } from './personal-data-vault.contract.js';
import { FakePersonalDataVault } from './personal-data-vault.fake.js';

describe('the fake of the vault of personal data', () => {
  personalDataVaultContract(() => new FakePersonalDataVault());
});
