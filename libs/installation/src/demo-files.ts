import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The demo tenant with its agent and subject, and the addresses to use it. Password, API key and PIN are secret. */
export interface Demo {
  readonly swaigUrl: string;
  readonly restUrl: string;
  readonly tenant: string;
  readonly agent: string;
  readonly password: string;
  readonly apiKey: string;
  readonly subject: string;
  readonly pin: string;
  readonly phone: string;
}

const fileOf = (dataDir: string): string => join(dataDir, 'demo.json');

/** The file that {@link writeDemo} writes for `curl --config`. */
export const demoCurlFile = (dataDir: string): string => join(dataDir, 'demo.curl');

/**
 * Writes the demo to two files of mode 0600 in the data folder: one for the product, and one for `curl --config`, so a
 * command can be printed without secrets.
 */
export function writeDemo(dataDir: string, demo: Demo): void {
  replaceFile(demoCurlFile(dataDir), curlConfig(demo));
  // Last, because its presence means that the demo is complete.
  replaceFile(fileOf(dataDir), JSON.stringify(demo, undefined, 2));
}

/** The demo of this data folder; undefined when there is none or when its creation was interrupted. */
export function readDemo(dataDir: string): Demo | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir), 'utf8')) as Demo;
  } catch {
    return undefined;
  }
}

/** A shell command that verifies the demo's PIN. Contains the password and the PIN. */
export function demoCommand(demo: Demo): string {
  return `curl -sS -u '${demo.agent}:${demo.password}' -H 'content-type: application/json' '${demo.swaigUrl}/swaig' -d '${demoBody(demo)}'`;
}

function curlConfig(demo: Demo): string {
  const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`;
  return [
    'silent',
    'show-error',
    `url = ${quoted(`${demo.swaigUrl}/swaig`)}`,
    `user = ${quoted(`${demo.agent}:${demo.password}`)}`,
    'header = "content-type: application/json"',
    `data = ${quoted(demoBody(demo))}`,
    '',
  ].join('\n');
}

function demoBody({ pin, phone }: Demo): string {
  return JSON.stringify({
    function: 'verify_pin',
    argument: { parsed: [{ pin }], raw: JSON.stringify({ pin }) },
    call_id: 'demo-call',
    ai_session_id: 'demo-session',
    caller_id_num: phone,
  });
}

function replaceFile(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
