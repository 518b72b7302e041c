/**
 * Runs the alerts over the series of ops/prometheus/alerts.test.yml, as `promtool test rules` does, without Prometheus. Each alert
 * must be raised at one time of a test and quiet at another, name only labels that it has, and link to a heading that exists.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { root } from './build.mjs';
import { anchorsOf } from './markdown-pages.mjs';
import { evaluate, firing, nameOf, readSeries, seconds } from './promql.mjs';

const FOLDER = join(root, 'ops', 'prometheus');
const TEXTS = ['summary', 'description', 'action', 'runbook'];

const faults = [];
const { rule_files: files, evaluation_interval: every, tests } = read('alerts.test.yml');
const rules = files.flatMap((file) => read(file).groups).flatMap((group) => group.rules);
/** By alert: whether a test found it raised, and whether the same test found it quiet. */
const proved = new Map();

for (const rule of rules) checkTexts(rule);
for (const test of tests) for (const expected of test.promql_expr_test) runTest(test, expected);
for (const { alert } of rules) {
  const { raised, quiet } = proved.get(alert) ?? {};
  if (!raised || !quiet)
    faults.push(`${alert}: no test has a time at which it is raised, and one at which it is quiet`);
}

for (const fault of faults) process.stderr.write(`alerts: ${fault}\n`);
process.exit(faults.length > 0 ? 1 : 0);

function read(name) {
  return parse(readFileSync(join(FOLDER, name), 'utf8'));
}

function checkTexts({ alert, for: duration, annotations }) {
  if (duration === undefined) faults.push(`${alert} does not state for how long its condition must hold`);
  for (const name of TEXTS) if (!annotations?.[name]) faults.push(`${alert} has no ${name}`);
  const [page, anchor = ''] = (annotations?.runbook ?? '').split('#');
  const file = join(root, page);
  if (!page.endsWith('.md') || !existsSync(file) || !anchorsOf(file).has(anchor))
    faults.push(`${alert}: its runbook ${annotations?.runbook} is no heading of a page`);
}

function runTest({ name, interval, input_series: inputs }, { expr, eval_time: at, exp_samples: expected }) {
  const series = inputs.map((input) => readSeries(input, seconds(interval)));
  const times = Array.from({ length: seconds(at) / seconds(every) + 1 }, (_, n) => n * seconds(every));
  const raised = rules.flatMap((rule) => {
    const alerts = expr.includes(`"${rule.alert}"`) ? (firing(rule, series, times).at(-1) ?? []) : [];
    for (const labels of alerts) checkTemplates(rule, labels);
    note(rule, name, alerts.length > 0, expr);
    return alerts.map((labels) => ({
      labels: { ...labels, __name__: 'ALERTS', alertstate: 'firing' },
      samples: [{ t: 0, value: 1 }],
    }));
  });
  const found = evaluate(expr, raised, 0).map(({ labels }) => nameOf(labels));
  const wanted = expected.map(({ labels }) => nameOf(readSeries({ series: labels, values: '1' }, 0).labels));
  if (found.sort().join('\n') !== wanted.sort().join('\n'))
    faults.push(`${name}, at ${at}: raised ${found.join(' ') || 'nothing'} and not ${wanted.join(' ') || 'nothing'}`);
}

function note({ alert }, test, isRaised, expr) {
  if (!expr.includes(`"${alert}"`)) return;
  const known = proved.get(alert) ?? { test, raised: false, quiet: false };
  if (known.test === test)
    proved.set(alert, { test, raised: known.raised || isRaised, quiet: known.quiet || !isRaised });
}

/** A template of a label that the alert does not have is an empty text. */
function checkTemplates({ alert, annotations }, labels) {
  for (const [, label] of Object.values(annotations)
    .join(' ')
    .matchAll(/\{\{ \$labels\.(\w+) \}\}/g))
    if (!(label in labels)) faults.push(`${alert}: its texts name the label ${label}, which it does not have`);
}
