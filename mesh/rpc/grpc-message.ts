// The text of an error in a gRPC answer. Connect escapes it as in a URL, and what grpc-js then
// shows has %3A for every colon; gRPC itself escapes only what is not printable ASCII, and %.

const escaped = /%[2-7][0-9A-F]/g;

/** The same trailers with their message escaped as gRPC does it. */
export function writeGrpcMessage<T extends Record<string, unknown>>(trailers: T): T {
  const message = trailers["grpc-message"];
  if (typeof message !== "string" || !message.includes("%")) return trailers;
  return { ...trailers, "grpc-message": unescapePrintable(message) };
}

export function unescapePrintable(message: string): string {
  const text = message.replace(escaped, (code) => {
    const char = String.fromCharCode(Number.parseInt(code.slice(1), 16));
    return char === "%" || char === "\x7f" ? code : char;
  });
  // Spaces at the ends of a header would be lost.
  return text.replace(/^ +| +$/g, (spaces) => "%20".repeat(spaces.length));
}
