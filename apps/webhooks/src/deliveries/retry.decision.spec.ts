import fc from 'fast-check';
import { nextStep, type DeliveryProgress } from './retry.decision.js';

const RULES = { firstPauseSeconds: 5, maxPauseSeconds: 3600, giveUpSeconds: 86_400, disableSeconds: 259_200 };
const FIRST: DeliveryProgress = { attempts: 0, secondsSinceFirst: 0, failingSeconds: undefined, isTest: false };

describe('what follows from an attempt', () => {
  it.each([200, 201, 204, 299])('%i delivers', (status) => {
    expect(nextStep({ status }, FIRST, RULES, 0)).toEqual({ state: 'delivered', pauseSeconds: 0, holdSeconds: 0 });
  });

  it.each([undefined, 100, 301, 302, 307, 400, 404, 429, 500, 503])('%s is tried again', (status) => {
    expect(nextStep(status === undefined ? {} : { status }, FIRST, RULES, 0).state).toBe('pending');
  });

  it('pauses grow from seconds to an hour and stay within their bounds', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 60 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempts, random) => {
          const { pauseSeconds } = nextStep({ status: 500 }, { ...FIRST, attempts }, RULES, random);
          const longest = Math.min(3600, 5 * 2 ** attempts);
          expect(pauseSeconds).toBeGreaterThanOrEqual(longest / 2);
          expect(pauseSeconds).toBeLessThanOrEqual(longest);
        },
      ),
    );
  });

  it('Retry-After is kept, for the delivery and for the webhook, up to a day', () => {
    const step = nextStep({ status: 429, retryAfterSeconds: 120 }, FIRST, RULES, 0);
    expect(step).toEqual({ state: 'pending', pauseSeconds: 120, holdSeconds: 120 });
    expect(nextStep({ status: 503, retryAfterSeconds: 1e9 }, FIRST, RULES, 0).holdSeconds).toBe(86_400);
  });

  it('410 disables the webhook', () => {
    expect(nextStep({ status: 410 }, FIRST, RULES, 0)).toMatchObject({ state: 'failed', disables: 'gone' });
  });

  it('a delivery is given up when the next attempt would be too late', () => {
    const late = { ...FIRST, attempts: 30, secondsSinceFirst: 86_000 };
    expect(nextStep({ status: 500 }, late, RULES, 0).state).toBe('failed');
    expect(nextStep({ status: 500 }, { ...late, secondsSinceFirst: 80_000 }, RULES, 0).state).toBe('pending');
  });

  it('a webhook that failed for too long is disabled, and keeps the delivery', () => {
    const long = { ...FIRST, attempts: 30, secondsSinceFirst: 86_400, failingSeconds: 259_200 };
    expect(nextStep({}, long, RULES, 0)).toMatchObject({ state: 'pending', disables: 'failing' });
  });

  it('a test is sent once and disables nothing', () => {
    const test = { ...FIRST, isTest: true, failingSeconds: 1e9 };
    expect(nextStep({ status: 410 }, test, RULES, 0)).toEqual({ state: 'failed', pauseSeconds: 0, holdSeconds: 0 });
  });
});
