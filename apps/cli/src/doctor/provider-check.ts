import { type ExaminedInstallation } from './installation.js';
import { type CheckResult } from './report.js';

const ANSWER_LIMIT_MS = 5_000;

/** Whether the OpenID provider at which operators sign in describes itself as the setting names it. */
export async function checkProvider({ services }: Pick<ExaminedInstallation, 'services'>): Promise<CheckResult> {
  const [issuer] = services.flatMap(({ needs, settings, faults }) =>
    faults.length > 0 ? [] : (needs.openIdIssuer?.(settings) ?? []),
  );
  if (issuer === undefined) {
    return { ok: 'no OpenID provider is set', problems: [] };
  }
  const fault = await faultOf(issuer);
  if (fault === undefined) return { ok: `the OpenID provider ${issuer} answers`, problems: [] };
  const cure = 'correct OIDC_ISSUER, which is the "issuer" of that document, or the network between the two';
  return { ok: '', problems: [{ status: 'failed', text: `${documentOf(issuer)} ${fault}`, cure }] };
}

/** OpenID Connect Discovery 1.0, section 4. */
const documentOf = (issuer: string): string => `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;

async function faultOf(issuer: string): Promise<string | undefined> {
  try {
    const response = await fetch(documentOf(issuer), { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    if (!response.ok) return `answers with status ${response.status}`;
    const { issuer: named } = (await response.json()) as { issuer?: unknown };
    const isSame = typeof named === 'string' && URL.canParse(named) && new URL(named).href === new URL(issuer).href;
    return isSame ? undefined : 'names another issuer';
  } catch (error) {
    const { cause, name } = error as { cause?: { code?: unknown }; name: string };
    return `cannot be read (${typeof cause?.code === 'string' ? cause.code : name})`;
  }
}
