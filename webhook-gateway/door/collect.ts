// Bytes that come in pieces, in one buffer that grows. Kept as the pieces they
// came in, bodies of many tiny ones would take a hundred times what is counted.

import type { Load } from "./load.ts";

export type Shortage = "too-large" | "no-room";

export class Collected {
  readonly #load: Load;
  readonly #bytesMax: number;
  #buffer: Buffer = Buffer.alloc(0);
  #length = 0;

  constructor(load: Load, bytesMax: number) {
    this.#load = load;
    this.#bytesMax = bytesMax;
  }

  /** What is counted against the load. */
  get held(): number {
    return this.#buffer.byteLength;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Undefined when it was taken. */
  take(chunk: Buffer): Shortage | undefined {
    const length = this.#length + chunk.byteLength;
    if (length > this.#bytesMax) return "too-large";
    if (length > this.#buffer.byteLength && !this.#grow(chunk, length)) return "no-room";
    // The first piece is kept as it is: mostly it is the only one.
    if (this.#length > 0) chunk.copy(this.#buffer, this.#length);
    this.#length = length;
    return undefined;
  }

  release(): void {
    this.#load.releaseBytes(this.held);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
  }

  /** While it is copied the old one counts as well as the new one. */
  #grow(chunk: Buffer, length: number): boolean {
    const first = this.#length === 0;
    const size = first ? length : Math.min(this.#bytesMax, Math.max(length, 2 * this.held));
    if (!this.#load.takeBytes(size)) return false;
    const before = this.#buffer;
    this.#buffer = first ? chunk : Buffer.allocUnsafeSlow(size);
    before.copy(this.#buffer, 0, 0, this.#length);
    this.#load.releaseBytes(before.byteLength);
    return true;
  }
}
