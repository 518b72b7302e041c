import { runProcess } from '@countersign/runtime';
import { start } from './start.js';

await runProcess(process.env, start);
