// A provider's event types as metric labels. Types are text that a sender chooses,
// so only the first so many distinct ones get a label of their own.

const labelsMax = 200;

export function createTypeLabels(): (eventType: string) => string {
  const known = new Set<string>();
  return (eventType) => {
    if (known.has(eventType)) return eventType;
    if (known.size >= labelsMax || !/^[a-z0-9_.-]{1,64}$/.test(eventType)) return "other";
    known.add(eventType);
    return eventType;
  };
}
