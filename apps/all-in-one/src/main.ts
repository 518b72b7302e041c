import { runProcess } from '@countersign/runtime';
import { start } from './start.js';
import { welcome } from './welcome.js';

await runProcess(process.env, async (env, fatal) => {
  const product = await start(env, fatal);
  welcome(product, process.stdout);
  return product;
});
