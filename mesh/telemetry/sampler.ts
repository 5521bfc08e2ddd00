// Which traces are recorded: OpenTelemetry's samplers, by their names in OTEL_TRACES_SAMPLER. Who
// begins a trace decides, and the others follow, so that a trace is recorded whole or not at all.

export const samplerNames = [
  "parentbased_always_on",
  "parentbased_always_off",
  "parentbased_traceidratio",
  "always_on",
  "always_off",
  "traceidratio",
] as const;

export type SamplerName = (typeof samplerNames)[number];

/** Says whether a span is recorded; its parent's answer is undefined where a trace begins. */
export type Sampler = (traceId: string, parentSampled: boolean | undefined) => boolean;

export function createSampler(name: SamplerName, ratio: number): Sampler {
  const own = ownDecision(name.replace(/^parentbased_/, ""), ratio);
  if (!name.startsWith("parentbased_")) return own;
  return (traceId, parentSampled) => parentSampled ?? own(traceId, undefined);
}

function ownDecision(name: string, ratio: number): Sampler {
  if (name === "always_on") return () => true;
  if (name === "always_off") return () => false;
  // The last digits of a trace id are random: all processes take the same share of the same traces.
  return (traceId) => Number.parseInt(traceId.slice(-13), 16) < ratio * 2 ** 52;
}
