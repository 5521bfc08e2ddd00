// Metrics of one service instance: a registry of its own, so that several services in one process
// (as in tests) do not mix. A metric asked for twice is the same metric. Times name, beside their
// numbers, a trace that took that long, for scrapers that understand OpenMetrics.

import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type Metric,
  type MetricConfiguration,
  type OpenMetricsContentType,
  openMetricsContentType,
  prometheusContentType,
  Registry,
  type RegistryContentType,
} from "prom-client";
import type { Span } from "../telemetry/trace.ts";
import { type MetricsSnapshot, mergeMetrics, renderMetrics, snapshotOf } from "./merged-metrics.ts";

export type MetricOptions<L extends string> = {
  /** `bursar_<thing>_<unit>`, counters end in `_total`. */
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly L[];
  /** Which value counts where several processes of the service have one; their sum if left out. */
  readonly across?: "sum" | "min" | "max";
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
  /** A histogram of seconds. */
  timing<L extends string = never>(options: MetricOptions<L>): Timing<L>;
  /** In the plain text format. */
  render(): Promise<string>;
  /** In the format that the scraper's `Accept` asks for. */
  scrape(accept: string | undefined): Promise<{ contentType: string; text: string }>;
  /** What this process measured, for another one to include. */
  snapshot(): Promise<MetricsSnapshot>;
  /** From now on what is rendered is of this process and of these. */
  include(others: () => Promise<readonly MetricsSnapshot[]>): void;
};

export { type MetricsSnapshot, mergeMetrics } from "./merged-metrics.ts";

export type Timing<L extends string> = {
  /** A span that is recorded is kept as an example of its bucket. */
  observe(labels: Readonly<Record<L, string>>, seconds: number, span?: Span | undefined): void;
};

/** Seconds; from a cached read on loopback to a call that runs into its deadline. */
const secondBuckets = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;

export function createMetrics(service: string): Metrics {
  // The kind that may hold examples; what a scraper gets is rendered from views of it.
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(openMetricsContentType);
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

  function common<L extends string>({ name, help, labels, across }: MetricOptions<L>) {
    const labelNames = [...(labels ?? [])];
    return { name, help, labelNames, registers: [registry], aggregator: across ?? "sum" };
  }

  let others: (() => Promise<readonly MetricsSnapshot[]>) | undefined;
  async function text(contentType: RegistryContentType): Promise<string> {
    if (others === undefined) return viewOf(registry, service, contentType).metrics();
    const [own, theirs] = await Promise.all([snapshotOf(registry), others()]);
    return renderMetrics(mergeMetrics([own, ...theirs]), service, contentType);
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
    timing: <L extends string>(options: MetricOptions<L>) => {
      const seconds = once(Histogram<string>, options.name, () => {
        return new Histogram<string>({
          ...common(options),
          buckets: [...secondBuckets],
          enableExemplars: true,
        });
      });
      return {
        observe(labels, value, span) {
          seconds.observe({ labels, value, exemplarLabels: span?.recorded ? exampleOf(span) : {} });
        },
      };
    },
    render: () => text(prometheusContentType),
    async scrape(accept) {
      const openMetrics = accept?.includes("application/openmetrics-text") ?? false;
      const contentType = openMetrics ? openMetricsContentType : prometheusContentType;
      return { contentType, text: await text(contentType) };
    },
    snapshot: () => snapshotOf(registry),
    include(given) {
      others = given;
    },
  };
}

/**
 * The same metrics in one of the formats. Rendering OpenMetrics strips `_total` from the names of
 * counters and never gives it back (prom-client 15), hence stand-ins whose names may change.
 */
function viewOf(
  registry: Registry<OpenMetricsContentType>,
  service: string,
  contentType: RegistryContentType,
) {
  const view = new Registry<RegistryContentType>();
  view.setContentType(contentType);
  view.setDefaultLabels({ service });
  for (const metric of registry.getMetricsAsArray()) {
    view.registerMetric(Object.create(metric) as unknown as Metric<string>);
  }
  return view;
}

/** By the names that Grafana and OpenTelemetry's collector look for. */
function exampleOf({ traceId, spanId }: Span) {
  return { trace_id: traceId, span_id: spanId };
}
