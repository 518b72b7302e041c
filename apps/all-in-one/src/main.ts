import { runProcess } from '@countersign/runtime';
import { start } from './start.js';
import { printWelcome } from './welcome.js';

await runProcess(process.env, async (env, fatal) => {
  const product = await start(env, fatal);
  printWelcome(product, process.stdout);
  return product;
});
