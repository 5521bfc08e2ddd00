// Whatever ends a stream reaches its call. connect-node takes a connection that broke for a call
// that was cancelled, and waits for the deadline when a stream is closed without error and without
// an answer; Node ends the requests of a stream before it cancels it (all measured).

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
  breakOff(stream);
}

/**
 * A stream that is closed amid its requests must not look complete: its server would keep half of
 * them for the whole. The end does not overtake what is still to be written, the reset does.
 */
function breakOff(stream: ClientHttp2Stream): void {
  const close = stream.close.bind(stream);
  stream.close = (code, closed) => {
    if (stream.writable) stream.write(nothing);
    close(code, closed);
  };
}

const nothing = new Uint8Array();

function ignore(): void {}

function connectionLost(): Error {
  const lost = new Error("the connection was lost before the answer came");
  return Object.assign(lost, { code: "ERR_STREAM_PREMATURE_CLOSE" });
}
