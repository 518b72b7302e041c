import { Injectable } from '@nestjs/common';
import { Webhook } from 'standardwebhooks';
import { SteadyClock } from '@countersign/runtime';
import { WebhookSender, type SendResult } from '../targets/targets.ports.js';
import { DeliveryQueues, type LeasedDelivery } from './deliveries.ports.js';
import { nextStep, type RetryRules } from './retry.decision.js';

/** What an attempt ended with, for logs and metrics. */
export interface DeliveryAttempt {
  readonly outcome: 'delivered' | 'failed' | 'retried' | 'lease_lost';
  readonly milliseconds: number;
  /** HTTP status, or the reason why there was no answer. */
  readonly result: string;
  readonly disables: 'gone' | 'failing' | undefined;
}

/** Sends one leased delivery. */
@Injectable()
export class DeliverEvent {
  constructor(
    private readonly queues: DeliveryQueues,
    private readonly sender: WebhookSender,
    private readonly rules: RetryRules,
    private readonly clock: SteadyClock,
  ) {}

  /** @throws ServiceError DATABASE_UNAVAILABLE; the delivery is then sent again when its lease ends */
  async deliver(leased: LeasedDelivery): Promise<DeliveryAttempt> {
    const begun = this.clock.now();
    const result = await this.#send(leased);
    const milliseconds = Math.round(this.clock.now() - begun);
    const next = nextStep('fault' in result ? {} : result, leased, this.rules, Math.random());
    const shown = 'fault' in result ? { error: result.fault } : { status: result.status };
    const isKept = await this.queues.complete(leased, { at: leased.now.toISOString(), ...shown, milliseconds }, next);
    return {
      outcome: !isKept ? 'lease_lost' : next.state === 'pending' ? 'retried' : next.state,
      milliseconds,
      result: 'fault' in result ? result.fault : String(result.status),
      disables: next.disables,
    };
  }

  async #send({ secrets, eventId, body, url, now }: LeasedDelivery): Promise<SendResult> {
    if (secrets === undefined) return { fault: 'secret' };
    const text = body.toString('utf8');
    const signature = secrets.map((secret) => new Webhook(secret).sign(eventId, now, text)).join(' ');
    const headers = {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'user-agent': 'Countersign',
      // The same for every attempt and replay, so a receiver recognizes a repetition.
      'webhook-id': eventId,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': signature,
    };
    return this.sender.send({ url, headers, body });
  }
}
