import { eventually, sendPipelined, type RawRequest } from '@countersign/testing';
import { basic, functionCall, PASSWORD, SwaigTestBed } from '../../test/test-bed.js';

/** A call that the adapter answers on its own. */
const hookCall = (agent: string): RawRequest => ({
  ...{ method: 'POST', path: '/swaig', body: JSON.stringify(functionCall('startup_hook', {})) },
  headers: { authorization: basic(agent, PASSWORD), 'content-type': 'application/json' },
});

let bed: SwaigTestBed;
beforeAll(async () => {
  bed = await SwaigTestBed.open();
});
afterAll(() => bed.close());

it('answers a quiet tenant before the rest of a burst of another tenant that arrived first', async () => {
  const burst = Array.from({ length: 100 }, () => hookCall('desk'));
  const close = await sendPipelined(bed.service.urls['swaig'] ?? '', [burst, [hookCall('help')]]);
  const answered = (): string[] => bed.log.match(/(?<="tenant":")\w+(?=".*"msg":"request")/g) ?? [];
  await eventually('all calls are answered', () => answered().length === 101);
  expect(answered().indexOf('umbrella')).toBeLessThan(50);
  close();
});
