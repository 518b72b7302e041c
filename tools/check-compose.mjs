/**
 * Checks docker-compose.yml without an engine: against the settings that the services read, the secrets that
 * `countersign secrets create` makes, and the entries that the build has. Where Docker Compose is installed, it must accept the file too.
 */
import 'reflect-metadata';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getMetadataStorage } from 'class-validator';
import { parse } from 'yaml';
import { buildIfStale, root } from './build.mjs';

await buildIfStale();
const faults = [];
const expect = (holds, fault) => {
  if (!holds) faults.push(fault);
};

const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8'), { merge: true });
const apps = readdirSync(join(root, 'apps')).filter((app) => !['all-in-one', 'cli', 'console'].includes(app));
const made = secretsOfTheCli();
const usedSecrets = new Set();
const imageUser = /^USER (\S+)$/m.exec(readFileSync(join(root, 'Dockerfile'), 'utf8'))?.[1];

for (const app of apps) expect(compose.services[app], `${app} is missing`);
for (const [name, service] of Object.entries(compose.services)) {
  checkEveryService(name, service);
  if (apps.includes(name)) await checkOurService(name, service);
  else expect(!service.ports || name === 'grafana', `${name} publishes a port: only the adapters and Grafana may`);
}
for (const [name, { file }] of Object.entries(compose.secrets)) {
  expect(file === `./secrets/${name}`, `secret ${name}: its file is not ./secrets/${name}`);
  expect(made.has(name), `secret ${name}: countersign secrets create does not make it`);
  expect(usedSecrets.has(name), `secret ${name}: no service uses it`);
}
askDocker();

for (const fault of faults) process.stderr.write(`docker-compose.yml: ${fault}\n`);
process.exit(faults.length > 0 ? 1 : 0);

function checkEveryService(name, service) {
  const image = String(service.image ?? '');
  expect(/:v?\d[\w.-]*$/.test(image), `${name}: its image has no version`);
  expect(service.restart, `${name}: it has no restart policy`);
  for (const secret of service.secrets ?? []) {
    usedSecrets.add(secret);
    expect(compose.secrets[secret], `${name}: the secret ${secret} is not defined`);
  }
  for (const [variable, value] of Object.entries(service.environment ?? {})) {
    if (!variable.endsWith('_FILE')) continue;
    const secret = /^\/run\/secrets\/(\w+)$/.exec(String(value))?.[1];
    expect(service.secrets?.includes(secret), `${name}: ${variable} names no secret of this service`);
  }
  for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
    expect(compose.services[other], `${name}: it depends on ${other}, which is missing`);
    expect(condition === 'service_healthy', `${name}: it does not wait until ${other} is healthy`);
    expect(compose.services[other]?.healthcheck, `${name}: it waits for ${other}, which has no health check`);
  }
  for (const port of service.ports ?? []) {
    expect(String(port).startsWith('127.0.0.1:'), `${name}: port ${port} is published beyond this host`);
  }
}

async function checkOurService(name, service) {
  expect(!service.healthcheck, `${name}: the health check is the image's`);
  const user = /^\$\{SECRETS_USER:-([1-9]\d*:[1-9]\d*)\}$/.exec(String(service.user))?.[1];
  expect(
    user !== undefined,
    `${name}: it does not run as the owner of the secrets, or not as an unprivileged user by default`,
  );
  expect(user === imageUser, `${name}: its user is not the image's`);
  const [entry, ...more] = service.command ?? [];
  expect(entry === `dist/bin/${name}.js` && more.length === 0, `${name}: its command is not its entry`);
  expect(existsSync(join(root, 'apps', name, 'src', 'main.ts')), `${name}: apps/${name}/src/main.ts is missing`);
  const ports = (service.ports ?? []).length;
  const isPublic = name.endsWith('-adapter') || name === 'audit';
  expect(ports === (isPublic ? 1 : 0), `${name}: adapters and audit publish one port, others none`);

  const { known, required } = await settingsOf(name);
  const given = new Set(Object.keys(service.environment).map((variable) => variable.replace(/_FILE$/, '')));
  for (const variable of Object.keys(service.environment)) {
    const setting = known.has(variable) ? variable : variable.replace(/_FILE$/, '');
    expect(known.has(setting), `${name}: ${variable} is no setting of this service`);
  }
  for (const setting of required) expect(given.has(setting), `${name}: the setting ${setting} is missing`);
}

/** What the class in config.ts validates; required is what has no default and may not be absent. */
async function settingsOf(app) {
  const config = await import(pathToFileURL(join(root, 'dist', 'apps', app, 'src', `${app}.settings.js`)).href);
  const [, Settings] = Object.entries(config).find(([name]) => name.endsWith('Settings'));
  const rules = getMetadataStorage().getTargetValidationMetadatas(Settings, '', true, false);
  const known = new Set(rules.map((rule) => rule.propertyName));
  const optional = new Set(
    rules.filter((rule) => rule.type === 'conditionalValidation').map((rule) => rule.propertyName),
  );
  const defaults = new Settings();
  const required = [...known].filter((name) => !optional.has(name) && defaults[name] === undefined);
  return { known, required: ['KAFKA_BROKERS', ...required] };
}

function secretsOfTheCli() {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-check-'));
  try {
    const cli = join(root, 'dist', 'bin', 'cli.js');
    const { status } = spawnSync(process.execPath, [cli, 'secrets', 'create', folder], { stdio: 'ignore' });
    expect(status === 0, 'countersign secrets create failed');
    return new Set(readdirSync(folder));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function askDocker() {
  const docker = (...args) => spawnSync('docker', ['compose', ...args], { cwd: root, encoding: 'utf8' });
  if (docker('version').status !== 0) return;
  const { status, stderr } = docker('-f', 'docker-compose.yml', 'config', '-q');
  expect(status === 0, `docker compose config: ${stderr.trim()}`);
}
