import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { startEmbedded } from '../product.js';
import { complaints, doctor } from '../run-doctor.js';

/** What the doctor finds on the data folder of `npm start`. */
export function dataFolder(): void {
  it('finds nothing while the product runs and after it was stopped, and finds a file with a lost secret', async () => {
    const product = await startEmbedded();
    try {
      const ports = {
        SWAIG_PORT: new URL(product.swaigUrls()[0] ?? '').port,
        REST_PORT: new URL(product.restUrls()[0] ?? '').port,
        AUDIT_PORT: new URL(product.auditUrls()[0] ?? '').port,
        OPS_PORT: new URL(product.opsUrls()[0] ?? '').port,
      };
      const running = await doctor(ports, '--data-dir', product.dataDir);
      expect(running.lines.filter(({ status }) => status !== 'ok')).toEqual([]);
      expect(running.exitCode).toBe(0);
      const used = Object.entries(ports).map(([name, port]) => `${name} ${port} is used by the running product`);
      expect(running.lines.find(({ check }) => check === 'ports')?.text).toBe(used.sort().join(', '));
      await product.terminate();
      const stopped = await doctor(ports, '--data-dir', product.dataDir);
      expect(stopped.lines.filter(({ status }) => status !== 'ok')).toEqual([]);
      expect(stopped.lines.find(({ check }) => check === 'ports')?.text).not.toContain('used');

      await rm(join(product.dataDir, 'secrets', 'CREDENTIAL_KEYS'));
      const lost = await doctor(ports, '--data-dir', product.dataDir);
      expect(complaints(lost)).toEqual(['settings']);
      expect(lost.output).toContain('a lost key comes from the backup of your secrets');
      expect(lost.exitCode).toBe(2);
      // Only npm start may create it.
      await expect(mkdir(join(product.dataDir, 'secrets', 'CREDENTIAL_KEYS'))).resolves.toBeUndefined();
    } finally {
      await product.remove();
    }
  }, 120_000);
}
