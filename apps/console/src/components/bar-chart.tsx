import { Paper, Title } from '@mantine/core';
import { texts } from '../texts/texts.js';
import styles from './bar-chart.module.css';
import { DataTable } from './data-table.js';
import { Time } from './time.js';

/** One kind of value, a part of each bar. */
export interface Series<Point> {
  readonly title: string;
  readonly color: 'good' | 'bad' | 'other';
  readonly value: (point: Point) => number;
}

interface BarChartProps<Point extends { readonly time: string }> {
  readonly title: string;
  readonly points: readonly Point[];
  readonly series: readonly Series<Point>[];
}

const HEIGHT = 100;
const BAR = 8;
const STEP = 10;

/** Bars over time, the parts of a bar on top of each other, and the same values as a table. */
export function BarChart<Point extends { readonly time: string }>({ title, points, series }: BarChartProps<Point>) {
  const totals = points.map((point) => series.reduce((sum, { value }) => sum + value(point), 0));
  const highest = Math.max(1, ...totals);
  return (
    <Paper withBorder p="md">
      <Title order={2} size="h4">
        {title}
      </Title>
      <svg
        className={styles['chart']}
        viewBox={`0 0 ${points.length * STEP} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={texts.charts.summary(
          title,
          totals.reduce((sum, total) => sum + total, 0),
          highest,
        )}
      >
        {points.map((point, index) => {
          let top = HEIGHT;
          return series.map(({ title: name, color, value }) => {
            const height = (value(point) / highest) * HEIGHT;
            top -= height;
            return (
              <rect
                key={`${point.time} ${name}`}
                className={styles[color]}
                x={index * STEP + 1}
                y={top}
                width={BAR}
                height={height}
              />
            );
          });
        })}
      </svg>
      <ul className={styles['legend']}>
        {series.map(({ title: name, color, value }) => (
          <li key={name}>
            <svg viewBox="0 0 10 10" aria-hidden="true">
              <rect className={styles[color]} width="10" height="10" />
            </svg>
            {texts.charts.total(
              name,
              points.reduce((sum, point) => sum + value(point), 0),
            )}
          </li>
        ))}
      </ul>
      <details>
        <summary>{texts.charts.asTable}</summary>
        <DataTable
          label={title}
          rows={points}
          rowKey={({ time }) => time}
          columns={[
            { title: texts.events.columns.time, cell: ({ time }) => <Time at={time} /> },
            ...series.map(({ title: name, value }) => ({ title: name, cell: value })),
          ]}
        />
      </details>
    </Paper>
  );
}
