import { type RunningProduct } from './start.js';

/**
 * Shows how to reach and try the product. Secrets go to a terminal only: what is not one may be a collector of logs, which
 * keeps what it gets, and is told in which file they are.
 */
export function welcome(product: RunningProduct, output: NodeJS.WriteStream): void {
  const lines = output.isTTY ? product.welcome : product.announcement;
  output.write(`${lines.join('\n')}\n`);
  if (output.isTTY) product.shown();
}
