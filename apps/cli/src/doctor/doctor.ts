import { type Environment } from '@countersign/runtime';
import { type Write } from '../terminal/terminal.js';
import { checkBroker } from './broker-checks.js';
import { checkCertificates } from './certificate-check.js';
import { checkClocks } from './clock-check.js';
import { checkDatabase } from './database-checks.js';
import { checkDisk, checkMemory, checkNode, checkSecretFiles, checkSettings } from './host-checks.js';
import { readInstallation, type DoctorOptions } from './installation.js';
import { checkKeys } from './key-checks.js';
import { checkPorts } from './port-checks.js';
import { checkProvider } from './provider-check.js';
import { Report, type Finding } from './report.js';

export interface ReportOptions extends DoctorOptions {
  readonly json?: true;
  /** Free space that the data folder must have, in MiB. */
  readonly minDisk: string;
  /** Days that a certificate must still be valid. */
  readonly minDays: string;
}

/**
 * Finds out what is wrong with an installation. Reads only, except for one empty record on the topic of the clock; an
 * embedded database that does not run is started and stopped again. Prints no secret.
 * @returns 0: all is well; 1: warnings; 2: something failed
 */
export async function examineInstallation(env: Environment, options: ReportOptions, write: Write): Promise<0 | 1 | 2> {
  const report = new Report(options.json ? () => undefined : (finding) => write(lineOf(finding)));
  const installation = await readInstallation(env, options);
  try {
    await report.run('node', () => checkNode());
    await report.run('settings', () => checkSettings(installation));
    await report.run('secret-files', () => checkSecretFiles(installation));
    await report.run('disk', () => checkDisk(installation.dataDir, Number(options.minDisk)));
    await report.run('memory', () => checkMemory(installation));
    await report.run('ports', () => checkPorts(installation));
    await report.run('sign-in', () => checkProvider(installation));
    const [database, broker] = await Promise.all([
      checkDatabase(report, installation).then(async (state) => {
        await checkKeys(report, installation, state);
        return state;
      }),
      checkBroker(report, installation),
    ]);
    const presented = new Map(broker.certificates);
    if (database.certificateExpiresAt) presented.set('PostgreSQL', database.certificateExpiresAt);
    await report.run('certificates', () => checkCertificates(installation, presented, Number(options.minDays)));
    const clocks = { PostgreSQL: database.clock, ...(broker.clock || broker.reason ? { Kafka: broker.clock } : {}) };
    if (database.clock ?? broker.clock) await report.run('clock', () => checkClocks(clocks));
    else report.skip('clock', broker.reason || database.reason || 'no server has a clock to compare with');
    if (options.json) write(JSON.stringify({ exitCode: report.exitCode, checks: report.findings }, undefined, 2));
    return report.exitCode;
  } finally {
    await installation.close();
  }
}

function lineOf({ check, status, text, cure }: Finding): string {
  return `${status.padEnd(8)}  ${check.padEnd(15)}  ${text}${cure === undefined ? '' : `. To mend it: ${cure}`}`;
}
