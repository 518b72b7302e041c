import 'reflect-metadata';
import { AdmissionHandler } from './admission/admission.handler.js';
import { OverridesHandler } from './overrides/overrides.handler.js';
import { RATE_LIMIT_MESSAGES } from './rate-limit.module.js';

describe('the messages of the rate limiter', () => {
  it('are exactly those that a handler has a method for, so that no command stays without an answer', () => {
    const handled = [AdmissionHandler, OverridesHandler].flatMap(({ prototype }) =>
      Object.getOwnPropertyNames(prototype).flatMap((name) => {
        const method = (prototype as unknown as Record<string, object>)[name];
        return (Reflect.getMetadata('microservices:pattern', method ?? {}) ?? []) as string[];
      }),
    );
    expect(RATE_LIMIT_MESSAGES.map(({ type }) => type).sort()).toEqual(handled.sort());
  });
});
