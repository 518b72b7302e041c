/**
 * Evaluates the part of PromQL that ops/prometheus/alerts.yml uses, as Prometheus does, and runs alerting rules over series of a
 * test. What it does not know is an error, never a guess.
 */
import { parser } from '@prometheus-io/lezer-promql';

/** How far a selector looks back for a sample, in seconds: the default of Prometheus. */
const LOOKBACK = 300;
const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 };

export function seconds(duration) {
  const parts = [...String(duration).matchAll(/(\d+)([smhd])/g)];
  if (parts.map(([text]) => text).join('') !== String(duration)) throw new Error(`${duration} is no duration`);
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * UNITS[unit], 0);
}

/** A series of a test file of promtool: labels, and one sample for each interval. */
export function readSeries({ series, values }, interval) {
  const { name, matchers } = selectorOf(parser.parse(series).topNode.firstChild, series);
  const labels = Object.fromEntries(matchers.map(({ label, value }) => [label, value]));
  const samples = expand(values).flatMap((value, at) => (value === undefined ? [] : [{ t: at * interval, value }]));
  return { labels: { ...labels, __name__: name }, samples };
}

/** `1x3` are four samples, `1+2x3` adds, `_x3` are three without a value. */
function expand(values) {
  return values.split(/\s+/).flatMap((text) => {
    const [, start, step = '+0', times = '0'] = /^(-?[\d.]+|NaN|_)([+-][\d.]+)?(?:x(\d+))?$/.exec(text) ?? [];
    if (start === undefined) throw new Error(`${text} is no value`);
    if (start === '_') return Array.from({ length: Math.max(1, Number(times)) }, () => undefined);
    return Array.from({ length: Number(times) + 1 }, (_, n) => Number(start) + n * Number(step));
  });
}

/**
 * The firing alerts of one rule at each time.
 * @param times in seconds, ascending, one for each evaluation
 * @returns a list of labels for each time
 */
export function firing({ alert, expr, for: duration = '0m', labels }, series, times) {
  const since = new Map();
  return times.map((t) => {
    const active = evaluate(expr, series, t).map((sample) => ({ ...labelsOf(sample), ...labels, alertname: alert }));
    const names = new Set(active.map(nameOf));
    for (const name of [...since.keys()]) if (!names.has(name)) since.delete(name);
    for (const name of names) if (!since.has(name)) since.set(name, t);
    return active.filter((one) => t - since.get(nameOf(one)) >= seconds(duration));
  });
}

/** Labels in one order, as a text. */
export const nameOf = (labels) => JSON.stringify(Object.entries(labels).sort());
const labelsOf = ({ labels: { __name__: _, ...labels } }) => labels;

/** @returns samples `{ labels, value }` of an instant vector */
export function evaluate(expr, series, t) {
  const value = valueOf(parser.parse(expr).topNode.firstChild, { expr, series, t });
  return typeof value === 'number' ? [{ labels: {}, value }] : value;
}

function valueOf(node, context) {
  const text = context.expr.slice(node.from, node.to);
  switch (node.name) {
    case 'NumberDurationLiteral':
      return Number(text);
    case 'ParenExpr':
      return valueOf(node.firstChild, context);
    case 'VectorSelector':
      return select(node, context).flatMap(({ labels, samples }) => {
        const last = samples.filter(({ t }) => t <= context.t && t > context.t - LOOKBACK).at(-1);
        return last === undefined ? [] : [{ labels, value: last.value }];
      });
    case 'FunctionCall':
      return call(node, context);
    case 'AggregateExpr':
      return aggregate(node, context);
    case 'BinaryExpr':
      return combine(node, context);
    default:
      throw new Error(`${node.name} is not known: ${text}`);
  }
}

function selectorOf(node, expr) {
  const name = expr.slice(node.firstChild.from, node.firstChild.to);
  const matchers = (node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []).map((matcher) => {
    const [label, operator, value] = ['LabelName', 'MatchOp', 'StringLiteral'].map((type) => {
      const { from, to } = matcher.getChild(type);
      return expr.slice(from, to);
    });
    return { label, operator, value: JSON.parse(value.replace(/^'(.*)'$/s, '"$1"')) };
  });
  return { name, matchers };
}

function select(node, { expr, series }) {
  const { name, matchers } = selectorOf(node, expr);
  return series.filter(({ labels }) => labels.__name__ === name && matchers.every((one) => isMatched(one, labels)));
}

function isMatched({ label, operator, value }, labels) {
  const actual = labels[label] ?? '';
  const isEqual = operator.includes('~') ? new RegExp(`^(?:${value})$`).test(actual) : actual === value;
  return operator.startsWith('!') ? !isEqual : isEqual;
}

function argumentsOf(node) {
  const body = node.getChild('FunctionCallBody');
  const found = [];
  for (let child = body.firstChild; child; child = child.nextSibling) found.push(child);
  return found;
}

function call(node, context) {
  const [argument] = argumentsOf(node);
  const name = context.expr.slice(node.firstChild.from, node.firstChild.to);
  switch (name) {
    case 'time':
      return context.t;
    case 'rate':
    case 'increase':
      return increases(argument, context, name === 'rate');
    case 'absent': {
      if (valueOf(argument, context).length > 0) return [];
      const { matchers } = selectorOf(argument, context.expr);
      const equal = matchers.filter(({ operator }) => operator === '=');
      return [{ labels: Object.fromEntries(equal.map(({ label, value }) => [label, value])), value: 1 }];
    }
    default:
      throw new Error(`the function ${name} is not known`);
  }
}

function increases(node, context, isRate) {
  const { from, to } = node.getChild('DurationExpr');
  const range = seconds(context.expr.slice(from, to));
  return select(node.getChild('VectorSelector'), context).flatMap(({ labels, samples }) => {
    const inRange = samples.filter(({ t }) => t >= context.t - range && t <= context.t);
    if (inRange.length < 2) return [];
    const value = extrapolated(inRange, context.t - range, context.t);
    return [{ labels: labelsOf({ labels }), value: isRate ? value / range : value }];
  });
}

/** As `extrapolatedRate` of Prometheus: the increase between the samples, extended to the ends of the range. */
function extrapolated(samples, start, end) {
  const [first, last] = [samples[0], samples.at(-1)];
  const increase = samples.reduce((sum, { value }, at) => {
    const before = samples[at - 1]?.value ?? value;
    return sum + (value < before ? value : value - before);
  }, 0);
  const sampled = last.t - first.t;
  const interval = sampled / (samples.length - 1);
  const toZero = increase > 0 && first.value >= 0 ? sampled * (first.value / increase) : Infinity;
  const toStart = Math.min(first.t - start, toZero);
  const toEnd = end - last.t;
  const extended = (distance) => (distance < interval * 1.1 ? distance : interval / 2);
  return increase * ((sampled + extended(toStart) + extended(toEnd)) / sampled);
}

function aggregate(node, context) {
  const operator = context.expr.slice(node.firstChild.from, node.firstChild.to);
  const merge = { sum: (a, b) => a + b, max: larger, min: smaller }[operator];
  if (merge === undefined) throw new Error(`the aggregation ${operator} is not known`);
  const modifier = node.getChild('AggregateModifier');
  if (modifier && !modifier.getChild('By')) throw new Error('only by is known');
  const names = modifier?.getChild('GroupingLabels').getChildren('LabelName') ?? [];
  const by = names.map(({ from, to }) => context.expr.slice(from, to));
  const groups = new Map();
  for (const { labels, value } of valueOf(argumentsOf(node)[0], context)) {
    const group = Object.fromEntries(by.flatMap((label) => (labels[label] ? [[label, labels[label]]] : [])));
    const known = groups.get(nameOf(group));
    groups.set(nameOf(group), { labels: group, value: known === undefined ? value : merge(known.value, value) });
  }
  return [...groups.values()];
}

/** NaN only when all values are NaN. */
const larger = (a, b) => (Number.isNaN(a) || b > a ? b : a);
const smaller = (a, b) => (Number.isNaN(a) || b < a ? b : a);

const ARITHMETIC = { '+': (a, b) => a + b, '-': (a, b) => a - b, '*': (a, b) => a * b, '/': (a, b) => a / b };
const COMPARISONS = {
  ...{ '>': (a, b) => a > b, '<': (a, b) => a < b, '==': (a, b) => a === b, '!=': (a, b) => a !== b },
  ...{ '>=': (a, b) => a >= b, '<=': (a, b) => a <= b },
};

function combine(node, context) {
  const [leftNode, operatorNode, rightNode] = [node.firstChild, node.firstChild.nextSibling, node.lastChild];
  if (operatorNode.nextSibling.from !== rightNode.from) throw new Error('on, ignoring and bool are not known');
  const operator = context.expr.slice(operatorNode.from, operatorNode.to);
  const [left, right] = [valueOf(leftNode, context), valueOf(rightNode, context)];
  const has = (samples, sample) => samples.some((one) => nameOf(labelsOf(one)) === nameOf(labelsOf(sample)));
  switch (operator) {
    case 'and':
      return left.filter((sample) => has(right, sample));
    case 'or':
      return [...left, ...right.filter((sample) => !has(left, sample))];
    case 'unless':
      return left.filter((sample) => !has(right, sample));
  }
  const [compute, compare] = [ARITHMETIC[operator], COMPARISONS[operator]];
  if (!compute && !compare) throw new Error(`the operator ${operator} is not known`);
  if (typeof left === 'number' && typeof right === 'number') return compute(left, right);
  const samples = typeof left === 'number' ? right : left;
  return samples.flatMap((sample) => {
    const pair = typeof left === 'number' || typeof right === 'number' ? undefined : matching(right, sample);
    if (pair === null) return [];
    const [a, b] = [
      typeof left === 'number' ? left : sample.value,
      pair?.value ?? (typeof right === 'number' ? right : sample.value),
    ];
    if (compare) return compare(a, b) ? [{ labels: sample.labels, value: sample.value }] : [];
    return [{ labels: labelsOf(sample), value: compute(a, b) }];
  });
}

function matching(samples, sample) {
  return samples.find((one) => nameOf(labelsOf(one)) === nameOf(labelsOf(sample))) ?? null;
}
