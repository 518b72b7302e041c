/**
 * Checks the monitoring of docker-compose.yml without an engine: that every expression of ops/ is PromQL and reads metrics
 * and labels that the code has, that each panel is described, that Prometheus scrapes every service, and that every mounted file exists.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parser } from '@prometheus-io/lezer-promql';
import { register, collectDefaultMetrics } from 'prom-client';
import { parse } from 'yaml';
import { buildIfStale, root } from './build.mjs';

await buildIfStale();
await import(pathToFileURL(join(root, 'dist', 'libs', 'observability', 'src', 'index.js')).href);
collectDefaultMetrics();
const faults = [];
const expect = (holds, fault) => {
  if (!holds) faults.push(fault);
};
const read = (path) => readFileSync(join(root, path), 'utf8');
const series = namesAndLabels();

const compose = parse(read('docker-compose.yml'), { merge: true });
const ours = readdirSync(join(root, 'apps')).filter((app) => !['all-in-one', 'cli', 'console'].includes(app));
const config = parse(read('ops/prometheus/prometheus.yml'));
const rules = parse(read('ops/prometheus/alerts.yml')).groups.flatMap((group) => group.rules);
const DASHBOARDS = 'ops/grafana/dashboards';
const dashboards = readdirSync(join(root, DASHBOARDS)).map((file) => JSON.parse(read(join(DASHBOARDS, file))));

checkScrapes();
for (const name of ['prometheus', 'grafana']) checkMounts(name, compose.services[name]);
for (const rule of rules) checkRule(rule);
for (const dashboard of dashboards) checkDashboard(dashboard);
const uids = dashboards.map(({ uid }) => uid);
expect(new Set(uids).size === uids.length, 'two dashboards have the same uid');
const shown = JSON.stringify([rules, dashboards]);
for (const name of register.getMetricsAsArray().map((metric) => metric.name)) {
  if (!name.startsWith('countersign_') || name === 'countersign_spans_lost_total') continue;
  expect(shown.includes(name), `${name} is on no panel and in no rule`);
}

for (const fault of faults) process.stderr.write(`ops: ${fault}\n`);
process.exit(faults.length > 0 ? 1 : 0);

function checkScrapes() {
  const scrapes = config.scrape_configs.flatMap((job) => job.dns_sd_configs);
  const scraped = scrapes.flatMap(({ names }) => names).sort();
  expect(scraped.join() === [...ours].sort().join(), `Prometheus scrapes ${scraped.join(', ')}, not every service`);
  for (const { names, port } of scrapes) {
    for (const name of names) {
      const opsPort = compose.services[name]?.environment.OPS_PORT;
      expect(opsPort === port, `${name} has its metrics on port ${opsPort}, Prometheus scrapes ${port}`);
    }
  }
  const missed = rules.find((rule) => rule.alert === 'CountersignServiceGone').expr;
  for (const name of ours) expect(missed.includes(`"${name}"`), `no alert fires when ${name} is down`);
}

function checkMounts(name, { volumes, ports = [] }) {
  for (const [source, target] of volumes.map((volume) => volume.split(':'))) {
    expect(source.startsWith('./') ? existsSync(join(root, source)) : source in compose.volumes, `${name}: ${source}`);
    if (name === 'prometheus' && source.startsWith('./')) {
      const files = config.rule_files.filter((file) => dirname(file) === target).map((file) => file.split('/').at(-1));
      for (const file of files)
        expect(existsSync(join(root, source, file)), `prometheus: ${source}/${file} is missing`);
    }
  }
  expect(ports.length === (name === 'grafana' ? 1 : 0), `${name}: only Grafana publishes a port`);
}

function checkRule({ alert, expr, labels }) {
  checkExpression(`the rule ${alert}`, expr);
  expect(['critical', 'warning'].includes(labels?.severity), `the rule ${alert} has no severity`);
}

/** Each panel says what it means, has a place of its own, and reads series that exist. Links use variables of the dashboard. */
function checkDashboard({ title: name, panels, links = [], templating }) {
  const places = new Set();
  const ids = new Set();
  for (const { id, title, description, datasource, gridPos, targets } of panels) {
    const where = `the panel ${title} of ${name}`;
    expect(description?.length >= 10, `${where} has no description`);
    expect(datasource?.uid === 'prometheus', `${where} has another data source than Prometheus`);
    const place = `${gridPos.x} ${gridPos.y}`;
    expect(
      gridPos.x + gridPos.w <= 24 && !places.has(place) && !ids.has(id),
      `${where} has the place or id of another`,
    );
    places.add(place);
    ids.add(id);
    for (const { expr, legendFormat } of targets) {
      checkExpression(where, expr.replaceAll('$__rate_interval', '1m'));
      for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        expect(new RegExp(`by \\([^)]*\\b${label}\\b`).test(expr), `${where}: its series have no label ${label}`);
    }
  }
  const variables = templating.list.map((variable) => variable.name);
  for (const { title, url } of links) {
    const [, variable] = /^\$\{(\w+)\}/.exec(url) ?? [];
    expect(
      variables.includes(variable),
      `the link ${title} of ${name} does not begin with a variable of the dashboard`,
    );
  }
}

/** PromQL that parses, with names and labels that exist. */
function checkExpression(where, expr) {
  let selected;
  parser.parse(expr).iterate({
    enter: ({ type, from, to, node }) => {
      const text = expr.slice(from, to);
      if (type.isError)
        faults.push(`${where} is no PromQL at character ${from}: ${expr.slice(Math.max(0, from - 20), from + 20)}`);
      if (type.name === 'VectorSelector') {
        const name = expr.slice(node.firstChild.from, node.firstChild.to);
        selected = series.get(name);
        if (!selected) faults.push(`${where}: there is no metric ${name}`);
      }
      if (type.name === 'LabelName' && node.parent?.name !== 'GroupingLabels' && selected) {
        expect(selected.has(text), `${where}: its metrics have no label ${text}`);
      }
      if (type.name === 'LabelName' && node.parent?.name === 'GroupingLabels') {
        const known = [...series.values()].some((labels) => labels.has(text));
        expect(known, `${where}: there is no label ${text} to group by`);
      }
    },
  });
}

/** Every series that a scrape can hold, with its labels and those that Prometheus adds. */
function namesAndLabels() {
  const added = ['job', 'instance'];
  const known = new Map([['up', new Set(added)]]);
  for (const { name, labelNames, constructor } of register.getMetricsAsArray()) {
    const labels = new Set([...labelNames, ...added]);
    known.set(name, labels);
    if (constructor.name !== 'Histogram') continue;
    for (const suffix of ['_sum', '_count']) known.set(`${name}${suffix}`, labels);
    known.set(`${name}_bucket`, new Set([...labels, 'le']));
  }
  return known;
}
