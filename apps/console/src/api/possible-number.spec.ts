import { expect, it } from '@jest/globals';
import { couldBeNumber } from './possible-number.js';

it.each([
  ...[
    '2025550147',
    '+1 (202) 555-0147',
    '202\u2011555\u20110147',
    '202\u2013555\u20130147',
    '\u202a+12025550147\u202c',
  ],
  ...['202\u200b5550147', '202·555·0147', '＋12025550147', '+12025550147 ext 5', 'Tel. +12025550147', '[+12025550147]'],
  ...['"12025550147"', 'sip:12025550147@example.com', '٢٠٢٥٥٥٠١٤٧', '1234567'],
])('takes %s for a possible telephone number', (text) => {
  expect(couldBeNumber(text)).toBe(true);
});

it.each([
  ...['123456', 'c-10000234', 'call-1000001', 'b0050000', '', 'desk', 'a3c14c0e-7d43-4c4b-9d8f-0f6f5b1c2d3e'],
  'someone@12025550147',
])('takes %s for no telephone number', (text) => {
  expect(couldBeNumber(text)).toBe(false);
});
