import { createLogger } from '@countersign/observability';
import { type Database } from '@countersign/persistence';
import { metricValue } from '@countersign/testing';
import { register } from 'prom-client';
import { TamperReports } from './tamper-reports.store.js';

describe('the reports of altered data', () => {
  it('show each kind as 0 before the first report, and count each report', async () => {
    const fails = (): Promise<never> => Promise.reject(new Error('gone'));
    const database = { schema: 'verification', transaction: fails } as unknown as Database;
    const { report } = new TamperReports(database, createLogger('test', 'silent'), () => undefined);
    const text = await register.getSingleMetricAsString('countersign_tampered_rows_total');
    expect(text).toContain('countersign_tampered_rows_total{what="counter",reason="below_ledger"} 0');
    await report({ what: 'counter', reason: 'below_ledger', tenant: 'acme' });
    expect(await metricValue('countersign_tampered_rows_total', { what: 'counter' })).toBe(1);
  });
});
