import { SealBrokenError, type Unsealer } from '@countersign/sealing';
import { ServiceError } from '@countersign/service';
import { Seals } from '../ports.js';

/** Opens JWEs with the private keys, which no other service has. */
export class JweSeals extends Seals {
  constructor(private readonly unsealer: Unsealer) {
    super();
  }

  override async open(sealed: string, binding: string): Promise<Record<string, unknown>> {
    try {
      return await this.unsealer.unseal(sealed, binding);
    } catch (error) {
      if (!(error instanceof SealBrokenError)) throw error;
      throw new ServiceError('SEAL_BROKEN', 'A sealed payload cannot be opened: compare the sealing keys', false);
    }
  }
}
