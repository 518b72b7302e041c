import { join } from 'node:path';
import { demoCommand, demoCurlFile, type Demo } from '@countersign/installation';
import { type RunningService } from '@countersign/runtime';

/** The whole product in one process, and what to show to the person who started it. */
export interface RunningProduct extends RunningService {
  /** Lines for a terminal: the addresses, and on the first start the administrator key and the demo command. */
  readonly terminalLines: readonly string[];
  /** The same lines for a log, with file names in place of the secrets. */
  readonly logLines: readonly string[];
  /** Records that the secrets were shown. Each start shows them until then. */
  readonly markSecretsShown: () => void;
}

/** What a start has to show. */
export interface WelcomeContent {
  readonly urls: Readonly<Record<string, string>>;
  readonly dataDir: string;
  /** Whether no start on a terminal has shown the secrets yet. */
  readonly isFirst: boolean;
  /** Undefined: the administrator's key comes from the environment. */
  readonly createdAdminKey: string | undefined;
  /** Undefined: there is no usable demo. */
  readonly demo: Demo | undefined;
}

export function welcomeLines(content: WelcomeContent): Pick<RunningProduct, 'terminalLines' | 'logLines'> {
  const { urls, dataDir, isFirst, createdAdminKey, demo } = content;
  const addresses = Object.entries(urls).map(([name, url]) => `${name}=${url}`);
  const terminalLines = [`ready ${addresses.join(' ')}`];
  const logLines = [...terminalLines];
  if (isFirst && createdAdminKey !== undefined) {
    const file = join(dataDir, 'secrets', 'ADMIN_API_KEY');
    terminalLines.push(`administrator key (shown once, kept in ${file}): ${createdAdminKey}`);
    logLines.push(`administrator key: in ${file}`);
  }
  if (demo) {
    const title = 'try it, this verifies the PIN of the demo customer:';
    if (isFirst) {
      terminalLines.push(title, '', `  ${demoCommand(demo)}`, '', 'show it again: npm run countersign -- demo');
    } else {
      terminalLines.push('demo: npm run countersign -- demo');
    }
    logLines.push(title, '', `  curl --config '${demoCurlFile(dataDir)}'`, '');
  }
  return { terminalLines, logLines };
}

/**
 * Prints how to reach and try the product. Secrets are printed only on a terminal. Any other output may end in a log
 * collection, so it gets the names of the files that hold the secrets.
 */
export function printWelcome(product: RunningProduct, output: NodeJS.WriteStream): void {
  const lines = output.isTTY ? product.terminalLines : product.logLines;
  output.write(`${lines.join('\n')}\n`);
  if (output.isTTY) product.markSecretsShown();
}
