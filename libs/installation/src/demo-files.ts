import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The demo tenant with its agent and subject, and where it can be tried. All but the names is secret. */
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

/** The file that {@link writeDemo} leaves for `curl --config`. */
export const demoCurlFile = (dataDir: string): string => join(dataDir, 'demo.curl');

/**
 * Keeps the demo in the data folder, in two files of mode 0600: one for the product, and one for `curl --config`, so that a
 * command can be shown where secrets must not be.
 */
export function writeDemo(dataDir: string, demo: Demo): void {
  replaceFile(demoCurlFile(dataDir), curlConfig(demo));
  // Last: a demo without this file is made again.
  replaceFile(fileOf(dataDir), JSON.stringify(demo, undefined, 2));
}

/** The demo that was made in this data folder; undefined: none, or its making was interrupted. */
export function readDemo(dataDir: string): Demo | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(dataDir), 'utf8')) as Demo;
  } catch {
    return undefined;
  }
}

/** A command that verifies the demo's PIN, ready to be pasted into a shell. Holds the password and the PIN. */
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
