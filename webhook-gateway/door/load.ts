// How much the door carries at this moment. Beyond the bounds it asks senders to
// come again, so that a broker that is slow or away costs patience, not memory.

export type LoadLimits = { readonly requestsMax: number; readonly bytesMax: number };

export type Load = LoadLimits & {
  readonly requests: number;
  readonly bytes: number;
  /** False, and nothing taken, when that would be too much. */
  takeRequest(): boolean;
  releaseRequest(): void;
  takeBytes(count: number): boolean;
  releaseBytes(count: number): void;
};

export function createLoad({ requestsMax, bytesMax }: LoadLimits): Load {
  let requests = 0;
  let bytes = 0;
  return {
    requestsMax,
    bytesMax,
    get requests() {
      return requests;
    },
    get bytes() {
      return bytes;
    },
    takeRequest() {
      if (requests >= requestsMax) return false;
      requests += 1;
      return true;
    },
    releaseRequest() {
      requests -= 1;
    },
    takeBytes(count) {
      if (bytes + count > bytesMax) return false;
      bytes += count;
      return true;
    },
    releaseBytes(count) {
      bytes -= count;
    },
  };
}
