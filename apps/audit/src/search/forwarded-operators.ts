import { Injectable } from '@nestjs/common';
import {
  Authenticator,
  OPERATOR_HEADER,
  OperatorAuthentication,
  Problem,
  type OperatorIdentity,
} from '@countersign/api';
import { RoleGrant } from '@countersign/contracts';
import { validateSync } from 'class-validator';
import { type FastifyRequest } from 'fastify';

/**
 * The operators for whom the REST adapter reads events. It has checked their session, and proves itself by the administrator
 * key, which may read all events anyway.
 */
@Injectable()
export class ForwardedOperators extends OperatorAuthentication {
  constructor(private readonly authenticator: Authenticator) {
    super();
  }

  override operatorOf({ headers }: FastifyRequest): Promise<OperatorIdentity> | undefined {
    const named = headers[OPERATOR_HEADER];
    return named === undefined ? undefined : this.#read(headers.authorization, String(named));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- async: a refusal becomes a rejection
  async #read(authorization: string | undefined, named: string): Promise<OperatorIdentity> {
    const { actor } = this.authenticator.authenticate(authorization);
    if (actor.kind !== 'administrator') throw new Problem('unauthorized');
    try {
      const { id, name, grants } = JSON.parse(Buffer.from(named, 'base64url').toString()) as OperatorIdentity;
      const checked = grants.map((grant) => Object.assign(new RoleGrant(), grant));
      if (
        typeof id === 'string' &&
        typeof name === 'string' &&
        checked.every((one) => validateSync(one).length === 0)
      ) {
        return { id, name, grants: checked, isRecent: false };
      }
    } catch {
      // Answered below.
    }
    throw new Problem('unauthorized');
  }
}
