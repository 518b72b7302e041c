import { type FatalHandler, type HostedService, type StartReplacements } from '@countersign/hosting';
import { type Environment } from '@countersign/runtime';
import { start as startAudit } from '../../audit/src/start.js';
import { start as startDirectory } from '../../directory/src/start.js';
import { start as startLogSigner } from '../../log-signer/src/start.js';
import { start as startRateLimit } from '../../rate-limit/src/start.js';
import { start as startRestAdapter } from '../../rest-adapter/src/start.js';
import { start as startSwaigAdapter } from '../../swaig-adapter/src/start.js';
import { start as startVerification } from '../../verification/src/start.js';
import { start as startWebhooks, startEventIntake } from '../../webhooks/src/start.js';

/**
 * The services in the order of their starts; those of one group start in parallel. They close in reverse order. The audit
 * service must close after those that record facts, because they would otherwise wait forever for it to take their last facts
 * from the in-process bus, and the intake of webhooks after audit for the same reason. The adapters open their HTTP servers last and close them first.
 */
const START_GROUPS = [
  [startEventIntake, startAudit, startDirectory, startVerification, startRateLimit, startDeliveringWebhooks],
  // The signer reads tables that audit creates, and audit must still take its facts when it closes.
  [startLogSigner, startRestAdapter, startSwaigAdapter],
];

/** The webhooks without the intake. */
function startDeliveringWebhooks(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements,
): Promise<HostedService> {
  return startWebhooks(env, fatal, { ...replace, eventIntake: false });
}

/**
 * Starts all services, each with its own Nest container.
 * @param onClose receives a step for each started service, also when a later one fails
 * @throws what the services throw
 */
export async function startServices(
  env: Environment,
  fatal: FatalHandler,
  replace: StartReplacements,
  onClose: (step: () => Promise<void>) => void,
): Promise<HostedService[]> {
  const services: HostedService[] = [];
  for (const group of START_GROUPS) {
    const audit = services.find(({ urls }) => urls['audit'] !== undefined)?.urls['audit'];
    const environment = { ...(audit !== undefined && { AUDIT_URL: audit }), ...env };
    const results = await Promise.allSettled(group.map((start) => start(environment, fatal, replace)));
    for (const result of results) {
      if (result.status === 'rejected') continue;
      services.push(result.value);
      onClose(() => result.value.close());
    }
    for (const result of results) if (result.status === 'rejected') throw result.reason as Error;
  }
  return services;
}
