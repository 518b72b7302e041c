import { randomUUID } from 'node:crypto';
import { v5 as nameUuid } from 'uuid';
import { FactRecorded, message, type AgentPublished } from '@countersign/contracts';
import { digestOf, type KeyedHash } from '@countersign/crypto';
import { type Clock } from '@countersign/runtime';
import { callerOf } from './caller.js';
import { type Facts } from '../swaig-adapter.ports.js';
import { type FunctionCall } from './swaig-request.js';
import { deliveryOf } from './verify-caller.use-case.js';

/** Of the ids of these facts; a UUID of its own, so that no other id can be the same. */
const TRANSFER_FACT_NAMESPACE = '6f1c1c3e-0d0a-4d5e-9a55-0f6f6c0f7a10';

/** A destination of the policy, or none. */
export interface Transfer {
  readonly department: string;
  readonly destination: string;
}

/** Decides where a caller may be connected to, and puts it on record before anybody acts on it. */
export class RequestTransfer {
  constructor(
    private readonly facts: Facts,
    private readonly hash: KeyedHash,
    private readonly clock: Clock,
  ) {}

  /**
   * The arguments choose among the destinations of the policy and give nothing else to it. Undefined: there is no such
   * department. A repeated delivery makes the same fact again, under the same id, which is recorded once.
   * @throws ServiceError BROKER_UNAVAILABLE: then it is not on record and must not happen
   */
  async chooseTransfer(agent: AgentPublished, call: FunctionCall): Promise<Transfer | undefined> {
    const transfer = findDestination(agent.policy.transfers, call.args['department']);
    const kind = transfer === undefined ? 'transfer.refused' : 'transfer.requested';
    const { callId, caller, callerTail, attestation } = callerOf(agent, { ...call, args: {} });
    await this.facts.record(
      message(FactRecorded, {
        factId: factIdOf(agent, call, kind, transfer?.department ?? ''),
        kind,
        time: new Date(this.clock.now()).toISOString(),
        tenant: agent.tenant,
        agent: agent.agent,
        channel: 'swaig',
        ...(callId === undefined ? {} : { callId }),
        callerKey: this.hash.name(caller),
        callerTail,
        ...(attestation === undefined ? {} : { attestation }),
        detail: transfer === undefined ? { code: 'NOT_LISTED' } : { department: transfer.department },
      }),
    );
    return transfer;
  }
}

/** Independent of the hash key, so it stays the same while the key is rotated. Without a call id nothing tells a repeated delivery from a second request, so each is a fact. */
function factIdOf(agent: AgentPublished, call: FunctionCall, kind: string, department: string): string {
  const words = call.rawArgument || JSON.stringify(call.args);
  const delivery = call.callId === '' ? [randomUUID()] : deliveryOf(agent, call);
  return nameUuid(digestOf('transfer', ...delivery, words, kind, department), TRANSFER_FACT_NAMESPACE);
}

/** A department under its own name, in any case, with spaces around it or without. */
function findDestination(transfers: Readonly<Record<string, string>>, argument: unknown): Transfer | undefined {
  if (typeof argument !== 'string') return undefined;
  const wanted = argument.trim();
  const alike = Object.keys(transfers).filter((name) => name.toLowerCase() === wanted.toLowerCase());
  const department = Object.hasOwn(transfers, wanted) ? wanted : alike.length === 1 ? alike[0] : undefined;
  const destination = department === undefined ? undefined : transfers[department];
  return department === undefined || destination === undefined ? undefined : { department, destination };
}
