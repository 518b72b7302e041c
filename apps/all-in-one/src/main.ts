import { runProcess } from '@countersign/service';
import { start } from './start.js';

await runProcess(process.env, async (env, fatal) => {
  const product = await start(env, fatal);
  process.stdout.write(`${product.welcome.join('\n')}\n`);
  return product;
});
