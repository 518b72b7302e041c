import { register } from 'prom-client';

/**
 * The sum of the series of a metric that have these labels, as a scrape would show them.
 * @param name also `…_count` of a histogram
 */
export async function metricValue(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
  const metric = register.getSingleMetric(name) ?? register.getSingleMetric(name.replace(/_count$/, ''));
  if (metric === undefined) throw new Error(`there is no metric ${name}`);
  type Series = {
    readonly labels: Readonly<Record<string, unknown>>;
    readonly value: number;
    readonly metricName?: string;
  };
  const { values } = (await metric.get()) as { readonly values: readonly Series[] };
  return values
    .filter(({ metricName = name }) => metricName === name)
    .filter((one) => Object.entries(labels).every(([label, value]) => one.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
