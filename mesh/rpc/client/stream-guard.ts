// Whatever ends a stream reaches its call. connect-node takes a connection that broke for a call
// that was cancelled, and waits for the deadline when a stream is closed without error and without
// an answer (both measured).

import { type ClientHttp2Stream, constants } from "node:http2";

/** An error that comes when the call has ended already is not looked at. */
export function guardStream(stream: ClientHttp2Stream, onAnswer: () => void): void {
  let isAnswered = false;
  // Each comes once anyway, and `once` costs more.
  stream.on("response", () => {
    isAnswered = true;
    onAnswer();
  });
  // Until connect-node listens, and after it has stopped.
  stream.on("error", ignore);
  stream.on("close", () => {
    if (isAnswered && stream.rstCode === constants.NGHTTP2_NO_ERROR) return;
    stream.emit("error", connectionLost());
  });
}

function ignore(): void {}

function connectionLost(): Error {
  const lost = new Error("the connection was lost before the answer came");
  return Object.assign(lost, { code: "ERR_STREAM_PREMATURE_CLOSE" });
}
