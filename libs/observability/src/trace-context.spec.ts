import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { currentTrace, newTrace, readTrace, runInTrace, traceHeaders, traceIdOf } from './trace-context.js';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

describe('the trace in the headers of a request', () => {
  it.each([
    ['as W3C writes it', `00-${TRACE}-${SPAN}-01`, `00-${TRACE}-${SPAN}-01`],
    ['of a later version, which may be longer', `cc-${TRACE}-${SPAN}-01-more`, `00-${TRACE}-${SPAN}-01`],
    ['with flags that are not known yet', `00-${TRACE}-${SPAN}-ff`, `00-${TRACE}-${SPAN}-ff`],
  ])('is read %s', (_, traceparent, expected) => {
    expect(readTrace({ traceparent })).toEqual({ traceparent: expected });
  });

  it.each([
    ['nothing', undefined],
    ['a list of two', [`00-${TRACE}-${SPAN}-01`]],
    ['the invalid version', `ff-${TRACE}-${SPAN}-01`],
    ['a trace of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['a span of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['capitals', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['more than version 00 has', `00-${TRACE}-${SPAN}-01-more`],
    ['an id that is too short', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['a line of its own for the log', `00-${TRACE}-${SPAN}-01\n{"level":"fatal"}`],
  ])('is ignored when it is %s', (_, traceparent) => {
    expect(readTrace({ traceparent })).toBeUndefined();
  });

  it('keeps the tracestate unless W3C forbids its length or its characters', () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    expect(readTrace({ traceparent, tracestate: 'a=1,b=2' })).toEqual({ traceparent, tracestate: 'a=1,b=2' });
    for (const tracestate of ['', 'x'.repeat(513), 'a=1\nb', 7]) {
      expect(readTrace({ traceparent, tracestate })).toEqual({ traceparent });
    }
  });
});

describe('a trace that begins here', () => {
  it('is valid, unique, and marked as not sampled', () => {
    const trace = newTrace();
    expect(readTrace({ ...trace })).toEqual(trace);
    expect(trace.traceparent).toMatch(/-00$/);
    expect(traceIdOf(newTrace())).not.toBe(traceIdOf(trace));
    expect(traceIdOf(trace)).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('code that runs in a trace', () => {
  it('keeps its trace after every await, separate from concurrent code', async () => {
    const run = async (): Promise<string | undefined> => {
      await turn();
      await Promise.resolve();
      return currentTrace()?.traceparent;
    };
    const [one, two] = [newTrace(), newTrace()];
    const [first, second, none] = await Promise.all([runInTrace(one, run), runInTrace(two, run), run()]);
    expect([first, second, none]).toEqual([one.traceparent, two.traceparent, undefined]);
  });

  it('can leave the trace of its caller', () => {
    runInTrace(newTrace(), () => {
      expect(runInTrace(undefined, () => currentTrace())).toBeUndefined();
      expect(traceHeaders()).toEqual(currentTrace());
    });
    expect(traceHeaders()).toEqual({});
  });
});
