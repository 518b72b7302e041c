import { type RunningProduct } from './start.js';

/**
 * Shows how to reach and try the product. Secrets go to a terminal only: any other output may be kept by a
 * collector of logs, so it gets the names of the files that hold them.
 */
export function welcome(product: RunningProduct, output: NodeJS.WriteStream): void {
  const lines = output.isTTY ? product.welcome : product.announcement;
  output.write(`${lines.join('\n')}\n`);
  if (output.isTTY) product.shown();
}
