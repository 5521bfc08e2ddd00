// Metrics of one service instance: a registry of its own, so that several
// services in one process (as in tests) do not mix. A metric asked for twice is
// the same metric.

import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  type MetricConfiguration,
  Registry,
} from "prom-client";

export type MetricOptions<L extends string> = {
  /** `bursar_<thing>_<unit>`, counters end in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
};

export type Metrics = {
  counter<L extends string = never>(options: MetricOptions<L>): Counter<L>;
  gauge<L extends string = never>(
    /** `collect` sets the value whenever the metrics are read. */
    options: MetricOptions<L> & { readonly collect?: (gauge: Gauge<L>) => void },
  ): Gauge<L>;
  histogram<L extends string = never>(
    options: MetricOptions<L> & { readonly buckets?: readonly number[] },
  ): Histogram<L>;
  /** The text that a Prometheus scrape reads. */
  render(): Promise<string>;
  readonly contentType: string;
};

/** Seconds; from a cached read on loopback to a call that runs into its deadline. */
const secondBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels({ service });
  collectDefaultMetrics({ register: registry });

  function once<M extends Metric<string>>(
    kind: abstract new (...parameters: never[]) => M,
    name: string,
    make: () => M,
  ): M {
    const known = registry.getSingleMetric(name);
    if (known === undefined) return make();
    if (known instanceof kind) return known;
    throw new Error(`metric ${name} is already registered as another kind`);
  }

  function common<L extends string>({ name, help, labels }: MetricOptions<L>) {
    return { name, help, labelNames: [...(labels ?? [])], registers: [registry] };
  }

  return {
    counter: <L extends string>(options: MetricOptions<L>) =>
      once(Counter<L>, options.name, () => new Counter<L>(common(options))),
    gauge: <L extends string>(
      options: MetricOptions<L> & { collect?: (gauge: Gauge<L>) => void },
    ) => {
      const { collect } = options;
      const configuration: MetricConfiguration<L> = {
        ...common(options),
        ...(collect && {
          collect() {
            collect(this as unknown as Gauge<L>);
          },
        }),
      };
      return once(Gauge<L>, options.name, () => new Gauge<L>(configuration));
    },
    histogram: <L extends string>(options: MetricOptions<L> & { buckets?: readonly number[] }) =>
      once(
        Histogram<L>,
        options.name,
        () =>
          new Histogram<L>({
            ...common(options),
            buckets: [...(options.buckets ?? secondBuckets)],
          }),
      ),
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
