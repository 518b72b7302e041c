import { runProcess } from '@countersign/service';
import { start } from './start.js';

await runProcess(process.env, start);
