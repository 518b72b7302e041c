/**
 * Writes what the documentation mirrors from code: the tables between `<!-- generated: NAME -->` and `<!-- /generated -->`,
 * docs/openapi.json, docs/asyncapi.yaml and the page of the events, docs/events.html.
 *
 *     node tools/generate-docs.mjs                   writes all of them
 *     node tools/generate-docs.mjs --check           writes nothing; exit code 1 if a file is not current
 *     node tools/generate-docs.mjs [--check] PAGE…   the tables of these pages only
 */
import 'reflect-metadata';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { getMetadataStorage } from 'class-validator';
import { format } from 'prettier';
import { register } from 'prom-client';
import { parse, stringify } from 'yaml';
import { asyncApi } from './asyncapi.mjs';
import { buildIfStale, root } from './build.mjs';
import { eventsPage } from './events-page.mjs';
import { markdownPages } from './markdown-pages.mjs';

/** Module and class of each settings table. A table lists what the class itself declares. */
const SETTINGS = {
  'every service': ['libs/hosting/src/index.js', 'BusSettings', (name) => !name.startsWith('OTEL_')],
  'HTTP ports': ['libs/http-listener/src/index.js', 'HttpSettings'],
  traces: ['libs/hosting/src/index.js', 'BusSettings', (name) => name.startsWith('OTEL_')],
  database: ['libs/hosting/src/index.js', 'StoreSettings'],
  inbox: ['libs/hosting/src/index.js', 'InboxSettings'],
  'swaig-adapter': ['apps/swaig-adapter/src/swaig-adapter.settings.js', 'SwaigSettings'],
  'rest-adapter': ['apps/rest-adapter/src/rest-adapter.settings.js', 'RestSettings'],
  operators: ['apps/rest-adapter/src/operators/operator.settings.js', 'OperatorSettings'],
  'rate-limit': ['apps/rate-limit/src/rate-limit.settings.js', 'RateLimitSettings'],
  verification: ['apps/verification/src/verification.settings.js', 'VerificationSettings'],
  directory: ['apps/directory/src/directory.settings.js', 'DirectorySettings'],
  audit: ['apps/audit/src/audit.settings.js', 'AuditSettings'],
  'log-signer': ['apps/log-signer/src/log-signer.settings.js', 'LogSignerSettings'],
  webhooks: ['apps/webhooks/src/webhooks.settings.js', 'WebhooksSettings'],
  'all-in-one': ['apps/all-in-one/src/all-in-one.settings.js', 'AllInOneSettings'],
};
const OCSF = 'apps/audit/src/trail/ocsf-event.decision.js';
const PERSONAL_DATA = 'apps/audit/src/personal-data/personal-data.decision.js';
const CLOUD_EVENTS = 'apps/audit/src/trail/cloud-event.decision.js';
const PROBLEMS_MODULE = 'libs/api/src/problems.js';

/** No anchors: `$ref` is the only reference that AsyncAPI knows. Long lines, so that a value stays on one line. */
const YAML_STYLE = { aliasDuplicateObjects: false, lineWidth: 0 };

/** The cells of a topic that follow from its kind. */
const TOPIC_KINDS = {
  command: ['command', '`COMMAND_RETENTION_SECONDS`', '`TOPIC_PARTITIONS`'],
  fact: ['fact', '`AUDIT_RETENTION_DAYS`', '`TOPIC_PARTITIONS`'],
  stored: ['fact', '`FACTS_RETENTION_HOURS`', '`TOPIC_PARTITIONS`'],
  log: ['log', 'no end', '1'],
  state: ['state', 'compacted', '1'],
  reply: ['reply', '5 minutes', '1'],
};

await buildIfStale();
const load = (path) => import(pathToFileURL(join(root, 'dist', path)).href);
const contracts = await load('libs/contracts/src/index.js');
const { DEFAULT_POLICY } = contracts;
const tables = new Map([
  ...(await Promise.all(
    Object.entries(SETTINGS).map(async ([name, from]) => [`settings ${name}`, await settings(from)]),
  )),
  ['topics', topics()],
  ['error codes', errorCodes()],
  ['metrics', await metrics()],
  ['events', await events()],
  ['problem types', await problemTypes()],
  ['limits', limits()],
  ['policy', policy()],
  ['policy parts', policyParts()],
  ['decisions', decisions()],
  ['alerts', alerts()],
]);

const [check, named] = process.argv[2] === '--check' ? [true, process.argv.slice(3)] : [false, process.argv.slice(2)];
const pages = named.length > 0 ? named : markdownPages(root);
const written = new Map(pages.map((page) => [page, withTables(readFileSync(page, 'utf8'), relative(root, page))]));
if (named.length === 0) {
  const events = await asyncApiDocument();
  written.set(join(root, 'docs', 'openapi.json'), await openApi());
  written.set(join(root, 'docs', 'asyncapi.yaml'), `# Generated: npm run docs\n${stringify(events, YAML_STYLE)}`);
  written.set(join(root, 'docs', 'events.html'), eventsPage(events));
}
let outdated = 0;
for (const [file, current] of written) {
  if (existsSync(file) && readFileSync(file, 'utf8') === current) continue;
  if (check) process.stderr.write(`${relative(root, file)} is not current: run "npm run docs"\n`);
  else writeFileSync(file, current);
  outdated++;
}
process.exit(check && outdated > 0 ? 1 : 0);

async function openApi() {
  const { apiDocument } = await load('apps/rest-adapter/src/rest-adapter.module.js');
  return format(JSON.stringify(await apiDocument()), { parser: 'json', printWidth: 120 });
}

async function asyncApiDocument() {
  const [{ toOcsf }, { cloudEventHeaders }, { dividePersonalData, withSealedFields }] = await Promise.all(
    [OCSF, CLOUD_EVENTS, PERSONAL_DATA].map(load),
  );
  const sealed = (whole) => {
    const { event, personal } = dividePersonalData(whole);
    return personal === undefined ? event : withSealedFields(event, 'k1.sealed-fields-of-the-subject');
  };
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return asyncApi({ contracts, toOcsf, sealed, headersOf: cloudEventHeaders, version });
}

function withTables(text, page) {
  return text.replace(/(<!-- generated: (.+?) -->\n)[^]*?(<!-- \/generated -->)/g, (_block, begin, name, end) => {
    if (!tables.has(name))
      throw new Error(`${page}: there is no table "${name}"; known are ${[...tables.keys()].join(', ')}`);
    return `${begin}\n${tables.get(name)}\n\n${end}`;
  });
}

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`.replaceAll('|  |', '| |');
  return [line(head), line(head.map(() => '---')), ...rows.map((cells) => line(cells.map(escaped)))].join('\n');
}

/** A cell in which Markdown sees neither a column border nor, outside of code spans, HTML. */
function escaped(cell) {
  return String(cell)
    .replaceAll('|', '\\|')
    .replace(/`[^`]*`|</g, (part) => (part === '<' ? '&lt;' : part));
}

async function settings([module, className, selects = () => true]) {
  const Settings = (await load(module))[className];
  const defaults = new Settings();
  const rules = rulesOf(Settings).filter(({ target, propertyName }) => target === Settings && selects(propertyName));
  const byName = groupBy(rules);
  const rows = [...byName].map(([name, own]) => [
    code(name),
    defaultOf(defaults[name], own),
    allowed(own),
    meaning(Settings, name),
  ]);
  return table(['name', 'default', 'allowed', 'meaning'], rows);
}

function defaultOf(value, rules) {
  if (value === '') return 'empty';
  if (value !== undefined) return code(value);
  return rules.some(({ name, type }) => name === 'isOptional' || type === 'conditionalValidation')
    ? 'none'
    : 'required';
}

function allowed(rules) {
  const constraint = (name) => rules.find((rule) => rule.name === name)?.constraints?.[0];
  const [from, to, values] = [constraint('min'), constraint('max'), constraint('isIn')];
  if (values !== undefined) return values.map(code).join(', ');
  if (from !== undefined && to !== undefined) return `${from} to ${to}`;
  const length = rules.find((rule) => rule.name === 'isLength')?.constraints;
  if (length !== undefined) return `${length[0]} to ${length[1]} characters`;
  return rules.some(({ name }) => name === 'isBoolean') ? '`true`, `false`' : '';
}

function topics() {
  const { TOPICS, CLOCK, DEAD_LETTERS, TOPIC_DESCRIPTIONS } = contracts;
  const kinds = new Map(
    [...Object.values(TOPICS), CLOCK, DEAD_LETTERS].map(({ name, kind, isStored }) => [
      name,
      isStored ? 'stored' : kind,
    ]),
  );
  for (const name of kinds.keys())
    if (!(name in TOPIC_DESCRIPTIONS)) throw new Error(`TOPIC_DESCRIPTIONS lacks ${name}`);
  const rows = Object.entries(TOPIC_DESCRIPTIONS).map(([name, { from, to, key }]) => {
    const kind = kinds.get(name) ?? (name.startsWith('replies.') ? 'reply' : undefined);
    if (kind === undefined) throw new Error(`TOPIC_DESCRIPTIONS has ${name}, which is no topic`);
    return [code(name), from, to, key, ...TOPIC_KINDS[kind]];
  });
  return table(['topic', 'from', 'to', 'key', 'kind', 'retention', 'partitions'], rows);
}

function errorCodes() {
  const rows = Object.entries(contracts.ERROR_DESCRIPTIONS);
  return table(
    ['code', 'symptom', 'action'],
    rows.map(([name, { symptom, action }]) => [code(name), symptom, action]),
  );
}

async function metrics() {
  await load('libs/observability/src/index.js');
  const ours = register.getMetricsAsArray().filter(({ name }) => name.startsWith('countersign_'));
  const rows = ours.map((metric) => [
    code(metric.name),
    metric.constructor.name.toLowerCase(),
    metric.labelNames.map(code).join(', '),
    metric.help,
  ]);
  return table(['metric', 'type', 'labels', 'meaning'], rows);
}

async function events() {
  const { toOcsf } = await load(OCSF);
  const rows = Object.entries(contracts.FACT_DESCRIPTIONS).map(([kind, text]) => {
    const outcome = kind === 'attempt.decided' || kind === 'limit.refused' ? { outcome: 'rejected' } : {};
    const event = toOcsf({ kind, time: '2026-11-27T10:00:00.000Z', tenant: 't', ...outcome });
    const fields = Object.keys(contracts.EVENT_DETAILS[kind] ?? {}).map((name) => code(name));
    return [code(kind), `${event.class_uid} ${event.activity_name}`, text, fields.join(', ')];
  });
  return table(['kind', 'OCSF class and activity', 'recorded when', 'fields of `unmapped.detail`'], rows);
}

async function problemTypes() {
  const { PROBLEMS, typeOf } = await load(PROBLEMS_MODULE);
  const sections = Object.entries(PROBLEMS).map(([name, { status, title, detail, causes }]) =>
    [
      `### ${name}`,
      `${code(typeOf(name))}, ${status} ${title}`,
      escaped(`> ${detail}`),
      causes.map((cause) => `- ${escaped(cause)}`).join('\n'),
    ].join('\n\n'),
  );
  return sections.join('\n\n');
}

function limits() {
  const rows = contracts.LIMIT_DIMENSIONS.map((name) => {
    const { limit, periodSeconds } = DEFAULT_POLICY.limits[name];
    return [code(name), `${limit} in ${periodSeconds} s`, meaning(contracts.LimitPolicy, name)];
  });
  return table(['limit', 'default', 'counts'], rows);
}

function policy() {
  const rows = policyFields(contracts.Policy, { ...DEFAULT_POLICY, signals: contracts.SIGNAL_DEFAULTS }, '');
  return table(['field', 'default', 'allowed', 'meaning'], rows);
}

/** One row for each field; a field whose class has documented fields of its own is replaced by those. */
function policyFields(type, defaults, prefix) {
  return [...groupBy(rulesOf(type))].flatMap(([name, own]) => {
    const value = defaults?.[name];
    const text = contracts.meaningOf(type, name);
    if (text !== undefined) {
      return [[code(prefix + name), withUnit(name, policyDefault(value)), withUnit(name, allowed(own)), text]];
    }
    const Nested = Reflect.getMetadata('design:type', type.prototype, name);
    if (rulesOf(Nested).length === 0) throw new Error(`${type.name}.${name} has no @Meaning`);
    return policyFields(Nested, value, `${prefix}${name}.`);
  });
}

/** The fields of the parts that a policy repeats. */
function policyParts() {
  const parts = {
    'limits.*.': 'Limit',
    'knowledge.questions[].': 'KnowledgeQuestion',
    'knowledge.waiver.': 'KnowledgeWaiver',
  };
  const rows = Object.entries(parts).flatMap(([prefix, type]) =>
    [...groupBy(rulesOf(contracts[type]))].map(([name, own]) => [
      code(prefix + name),
      own.some((rule) => rule.name === 'isOptional') ? 'no' : 'yes',
      withUnit(name, allowed(own)),
      meaning(contracts[type], name),
    ]),
  );
  return table(['field', 'required', 'allowed', 'meaning'], rows);
}

/** The unit that the name of a field ends in. */
function withUnit(name, text) {
  return name.endsWith('Seconds') && /\d/.test(text) ? `${text} s` : text;
}

function policyDefault(value) {
  if (value === undefined) return 'none';
  if (Array.isArray(value) && value.length > 0 && typeof value[0] === 'object') {
    return value.map(({ name }) => code(name)).join(', ');
  }
  if (Array.isArray(value) && value.length > 0) return value.map(code).join(', ');
  if (typeof value === 'object' && value !== null && 'limit' in value)
    return `${value.limit} in ${value.periodSeconds} s`;
  return typeof value === 'object' && value !== null
    ? Object.keys(value).length > 0
      ? code(JSON.stringify(value))
      : 'empty'
    : code(value);
}

function alerts() {
  const { groups } = parse(readFileSync(join(root, 'ops', 'prometheus', 'alerts.yml'), 'utf8'));
  const rows = groups.flatMap(({ rules }) => rules);
  return table(
    ['alert', 'severity', 'raised when', 'action'],
    rows.map(({ alert, labels, annotations: { summary, action } }) => [
      code(alert),
      labels.severity,
      summary.replace(/\{\{ \$(?:labels\.)?(\w+) \}\}/g, '`$1`'),
      action,
    ]),
  );
}

function decisions() {
  const folder = join(root, 'docs', 'adr');
  const files = readdirSync(folder).filter((file) => /^\d{4}-.*\.md$/.test(file));
  const rows = files.sort().map((file) => {
    const [, number, title] = /^# (\d+)\. (.+)$/m.exec(readFileSync(join(folder, file), 'utf8'));
    return [number, `[${title}](${file})`];
  });
  return table(['number', 'decision'], rows);
}

function meaning(type, name) {
  const text = contracts.meaningOf(type, name);
  if (text === undefined) throw new Error(`${type.name}.${name} has no @Meaning`);
  return text;
}

function rulesOf(type) {
  return getMetadataStorage().getTargetValidationMetadatas(type, '', true, false);
}

function groupBy(rules) {
  const groups = new Map();
  for (const rule of rules) groups.set(rule.propertyName, [...(groups.get(rule.propertyName) ?? []), rule]);
  return groups;
}

function code(value) {
  return `\`${value}\``;
}
