import { Injectable } from '@nestjs/common';
import { DecryptionError, PayloadOpener } from '@countersign/crypto';
import { ServiceError } from '@countersign/runtime';
import { SealedPayloads } from './attempts.ports.js';

/** Opens JWEs with the private keys, which no other service has. */
@Injectable()
export class JweSealedPayloads extends SealedPayloads {
  constructor(private readonly unsealer: PayloadOpener) {
    super();
  }

  override async open(sealed: string, binding: string): Promise<Record<string, unknown>> {
    try {
      return await this.unsealer.unseal(sealed, binding);
    } catch (error) {
      if (!(error instanceof DecryptionError)) throw error;
      throw new ServiceError('SEAL_BROKEN', 'A sealed payload cannot be opened: compare the sealing keys', false);
    }
  }
}
