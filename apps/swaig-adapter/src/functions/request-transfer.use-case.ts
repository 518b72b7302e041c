import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { v5 as nameUuid } from 'uuid';
import { type AgentPublished, factRecorded } from '@countersign/contracts';
import { digestOf, KeyedHash } from '@countersign/crypto';
import { Clock } from '@countersign/runtime';
import { callerOf } from './caller.js';
import { Facts } from '../swaig-adapter.ports.js';
import { type FunctionCall } from './swaig-request.js';
import { deliveryOf } from './verify-caller.use-case.js';

/** Namespace of the ids of transfer facts (RFC 9562, version 5), so they cannot collide with other ids. */
const TRANSFER_FACT_NAMESPACE = '6f1c1c3e-0d0a-4d5e-9a55-0f6f6c0f7a10';

/** A department of the policy and its destination. */
export interface Transfer {
  readonly department: string;
  readonly destination: string;
}

/** Chooses the destination of a transfer and records the choice before the call is connected. */
@Injectable()
export class RequestTransfer {
  constructor(
    private readonly facts: Facts,
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
  ) {}

  /**
   * The arguments can only select a destination of the policy. Returns undefined if there is no such department. A
   * redelivery produces the same fact with the same id, which is recorded once.
   * @throws ServiceError BROKER_UNAVAILABLE if the fact was not recorded; the call must not be connected then
   */
  async chooseTransfer(agent: AgentPublished, call: FunctionCall): Promise<Transfer | undefined> {
    const transfer = findDestination(agent.policy.transfers, call.args['department']);
    const kind = transfer === undefined ? 'transfer.refused' : 'transfer.requested';
    const { callId, caller, callerTail, attestation } = callerOf(agent, call);
    await this.facts.record(
      factRecorded(kind, new Date(this.clock.now()), {
        factId: factIdOf(agent, call, kind, transfer?.department ?? ''),
        tenant: agent.tenant,
        agent: agent.agent,
        channel: 'swaig',
        ...(callId === undefined ? {} : { callId }),
        callerKey: this.hash.hashDigest(caller),
        callerTail,
        ...(attestation === undefined ? {} : { attestation }),
        detail: transfer === undefined ? { code: 'NOT_LISTED' } : { department: transfer.department },
      }),
    );
    return transfer;
  }
}

/**
 * Depends on no key, so it is the same while a key is rotated. Without a call id, a redelivery cannot be distinguished from a
 * second request, so each gets its own fact.
 */
function factIdOf(agent: AgentPublished, call: FunctionCall, kind: string, department: string): string {
  const words = call.rawArgument || JSON.stringify(call.args);
  const delivery = call.callId === '' ? [randomUUID()] : deliveryOf(agent, call);
  return nameUuid(digestOf('transfer', ...delivery, words, kind, department), TRANSFER_FACT_NAMESPACE);
}

/** Finds a department by name, ignoring case and surrounding spaces. Ambiguous names find nothing. */
function findDestination(transfers: Readonly<Record<string, string>>, argument: unknown): Transfer | undefined {
  if (typeof argument !== 'string') return undefined;
  const name = argument.trim();
  const matches = Object.keys(transfers).filter((candidate) => candidate.toLowerCase() === name.toLowerCase());
  const department = Object.hasOwn(transfers, name) ? name : matches.length === 1 ? matches[0] : undefined;
  const destination = department === undefined ? undefined : transfers[department];
  return department === undefined || destination === undefined ? undefined : { department, destination };
}
