import { configuredCertificates } from '@countersign/hosting';
import { type ExaminedInstallation } from './installation.js';
import { type CheckResult } from './report.js';

const DAY_MS = 86_400_000;

/**
 * Certificates that expire soon: those of the settings, and those that the servers present. Expired ones fail the checks of
 * the settings or of the server.
 * @param presented by the server that presents it
 * @param leastDays that a certificate must still be valid
 */
export function checkCertificates(
  { services }: ExaminedInstallation,
  presented: ReadonlyMap<string, Date>,
  leastDays: number,
): CheckResult {
  const ends = new Map<string, Date>();
  for (const { settings } of services) {
    for (const { setting, expiresAt } of configuredCertificates(settings)) ends.set(setting, expiresAt);
  }
  for (const [server, date] of presented) ends.set(`the certificate of ${server}`, date);
  const problems = [...ends].flatMap(([name, end]): CheckResult['problems'][number][] => {
    const days = Math.floor((end.getTime() - Date.now()) / DAY_MS);
    if (days >= leastDays || days < 0) return [];
    const isSetting = /^[A-Z_]+$/.test(name);
    const cure = name.endsWith('_FILE')
      ? `replace the file of ${name}, which is read again without a restart`
      : isSetting
        ? `put a new certificate into ${name} and restart the services that read it`
        : 'replace it on the server';
    return [{ status: 'warning', text: `${name} expires in ${days} days, on ${end.toISOString().slice(0, 10)}`, cure }];
  });
  const [earliest] = [...ends.values()].sort((a, b) => a.getTime() - b.getTime());
  const ok =
    earliest === undefined
      ? 'no TLS is configured'
      : `${ends.size} certificates are valid until ${earliest.toISOString().slice(0, 10)} or longer`;
  return { ok, problems };
}
