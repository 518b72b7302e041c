import { createBackend } from './backend.js';
import { CheckReceipt } from './check-receipt.js';

const need = (name: string): string => {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} must be set: see the README`);
  return value;
};

const receipts = new CheckReceipt({
  countersign: need('COUNTERSIGN_REST_URL'),
  issuer: need('COUNTERSIGN_ISSUER'),
  tenant: need('COUNTERSIGN_TENANT'),
  agent: need('COUNTERSIGN_AGENT'),
  apiKey: need('COUNTERSIGN_API_KEY'),
});
const accounts = new Map([[need('DEMO_CUSTOMER'), 125_00]]);
const port = Number(process.env['PORT'] ?? 4100);
createBackend(receipts, accounts).listen(port, '127.0.0.1', () => {
  process.stdout.write(`gated backend on http://127.0.0.1:${port}\n`);
});
