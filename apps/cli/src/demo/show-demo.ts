import { join } from 'node:path';
import { demoCommand, readDemo } from '@countersign/installation';
import { refusedSetting, type Write } from '../terminal/terminal.js';

/**
 * Shows how to try the demo of a data folder, and its credentials as settings of the examples.
 * @throws ServiceError SETTINGS_INVALID if the folder has no demo
 */
export function showDemo(dataDir: string, write: Write): void {
  const demo = readDemo(dataDir);
  if (demo === undefined) {
    throw refusedSetting(
      `there is no demo in ${dataDir}: start the product with DEMO=true, or name its DATA_DIR with --data-dir`,
    );
  }
  const settings = {
    COUNTERSIGN_SWAIG_URL: demo.swaigUrl,
    COUNTERSIGN_REST_URL: demo.restUrl,
    COUNTERSIGN_AGENT: demo.agent,
    COUNTERSIGN_PASSWORD: demo.password,
    COUNTERSIGN_API_KEY: demo.apiKey,
    SIMULATE_PASSWORD: demo.password,
    SIMULATE_PIN: demo.pin,
  };
  write('This verifies the PIN of the demo customer, while the product runs:\n');
  write(`  ${demoCommand(demo)}\n`);
  write('A whole call, with the settings below:\n');
  write(`  npm run countersign -- simulate call --url ${demo.swaigUrl} --agent ${demo.agent} --caller ${demo.phone}\n`);
  write('Settings for simulate and for the examples:\n');
  for (const [name, value] of Object.entries(settings)) write(`  export ${name}='${value}'`);
  write(`\nThe administrator key is in ${join(dataDir, 'secrets', 'ADMIN_API_KEY')}.`);
}
