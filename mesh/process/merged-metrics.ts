// The metrics of several processes of one service as one: what each measured travels as plain data,
// and is added up, unless a metric says that the least or the greatest of the values counts.

import { type Metric, Registry, type RegistryContentType } from "prom-client";

export type MetricValue = {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Of a part of a histogram; the metric's own name when left out. */
  readonly metricName?: string;
  readonly exemplar?: unknown;
};

export type MetricSnapshot = {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly MetricValue[];
  readonly aggregator?: string;
};

/** All that one process measured. */
export type MetricsSnapshot = readonly MetricSnapshot[];

export async function snapshotOf(registry: {
  getMetricsAsArray(): unknown[];
}): Promise<MetricsSnapshot> {
  const metrics = registry.getMetricsAsArray() as { get(): Promise<MetricSnapshot> }[];
  const snapshots = await Promise.all(metrics.map((metric) => metric.get()));
  return snapshots.map(({ name, help, type, values, aggregator }) => ({
    name,
    help,
    type,
    values: values.map(plainValue),
    ...(aggregator !== undefined && { aggregator }),
  }));
}

function plainValue({ labels, value, metricName, exemplar }: MetricValue): MetricValue {
  return {
    labels: { ...labels },
    value,
    ...(metricName !== undefined && { metricName }),
    ...(exemplar != null && { exemplar: { ...exemplar } }),
  };
}

export function mergeMetrics(processes: readonly MetricsSnapshot[]): MetricsSnapshot {
  const byName = Map.groupBy(processes.flat(), ({ name }) => name);
  return [...byName.values()].flatMap((same) => {
    const [first] = same;
    if (first === undefined || first.aggregator === "omit") return [];
    return [{ ...first, values: mergeValues(first, same) }];
  });
}

function mergeValues(metric: MetricSnapshot, same: readonly MetricSnapshot[]): MetricValue[] {
  const merge = mergers[metric.aggregator ?? "sum"] ?? sum;
  const byLabels = Map.groupBy(
    same.flatMap(({ values }) => values),
    ({ metricName, labels }) => JSON.stringify([metricName, Object.entries(labels).sort()]),
  );
  return [...byLabels.values()].map((values) => {
    const exemplar = values.findLast((value) => value.exemplar !== undefined)?.exemplar;
    return {
      ...values[0]!,
      value: merge(values.map(({ value }) => value)),
      ...(exemplar !== undefined && { exemplar }),
    };
  });
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/** By prom-client's own names, which its metrics of the process already carry. */
const mergers: Readonly<Record<string, (values: readonly number[]) => number>> = {
  sum,
  min: (values) => Math.min(...values),
  max: (values) => Math.max(...values),
  average: (values) => sum(values) / values.length,
  first: ([first = Number.NaN]) => first,
};

export function renderMetrics(
  snapshot: MetricsSnapshot,
  service: string,
  contentType: RegistryContentType,
): Promise<string> {
  const registry = new Registry<RegistryContentType>();
  registry.setContentType(contentType);
  registry.setDefaultLabels({ service });
  for (const metric of snapshot) {
    // Rendering OpenMetrics changes the name of the stand-in.
    const standIn = {
      ...metric,
      get: async () => ({ ...metric, name: standIn.name }),
    };
    registry.registerMetric(standIn as unknown as Metric<string>);
  }
  return registry.metrics();
}
