import { type RunningProduct } from './start.js';

/**
 * Prints how to reach and try the product. Secrets are printed only on a terminal. Any other output may end in a log
 * collection, so it gets the names of the files that hold the secrets.
 */
export function printWelcome(product: RunningProduct, output: NodeJS.WriteStream): void {
  const lines = output.isTTY ? product.terminalLines : product.logLines;
  output.write(`${lines.join('\n')}\n`);
  if (output.isTTY) product.markSecretsShown();
}
