import { ManualClock } from '@countersign/testing';
import { throttledLines } from './open-broker.js';

it('writes one line every five seconds and counts the others', () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = throttledLines((line) => lines.push(line), clock);
  for (let n = 0; n < 1000; n++) log('connection refused');
  expect(lines).toEqual(['connection refused']);
  clock.advance(5_000);
  log('connection refused');
  clock.advance(60_000);
  log('another');
  expect(lines.slice(1)).toEqual(['connection refused (and 999 lines like it)', 'another']);
});
