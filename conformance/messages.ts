// What we read and write of connectrpc.conformance.v1. Its protos come with the
// runner and are no part of this repository, so these shapes are written by hand.

export type Header = { readonly name: string; readonly value: string[] };

/** `google.protobuf.Any` */
export type Packed = { readonly typeUrl: string; readonly value: Uint8Array };

/** Codes are Connect's own numbers. */
export type RpcError = {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Packed[];
};

export type Credentials = { readonly cert: Uint8Array; readonly key: Uint8Array };

export const HttpVersion = { HTTP_1: 1, HTTP_2: 2 } as const;
export const Protocol = { CONNECT: 1, GRPC: 2 } as const;
export const StreamType = {
  UNARY: 1,
  CLIENT_STREAM: 2,
  SERVER_STREAM: 3,
  HALF_DUPLEX_BIDI: 4,
  FULL_DUPLEX_BIDI: 5,
} as const;

export type ServerCompatRequest = {
  readonly httpVersion: number;
  readonly useTls: boolean;
  /** Empty: callers show no certificate. */
  readonly clientTlsCert: Uint8Array;
  readonly messageReceiveLimit: number;
  readonly serverCreds?: Credentials;
};

export type ClientCompatRequest = {
  readonly testName: string;
  readonly protocol: number;
  readonly host: string;
  readonly port: number;
  /** Empty: no TLS. */
  readonly serverTlsCert: Uint8Array;
  readonly clientTlsCreds?: Credentials;
  readonly method?: string;
  readonly streamType: number;
  readonly requestHeaders: readonly Header[];
  readonly requestMessages: readonly Packed[];
  readonly timeoutMs?: number;
  readonly requestDelayMs: number;
  readonly cancel?: { readonly cancelTiming: CancelTiming };
};

export type CancelTiming =
  | { readonly case: "beforeCloseSend" }
  | { readonly case: "afterCloseSendMs"; readonly value: number }
  | { readonly case: "afterNumResponses"; readonly value: number }
  | { readonly case: undefined };

export type ClientCompatResponse = {
  readonly testName: string;
  readonly result:
    | { readonly case: "response"; readonly value: CallResult }
    | { readonly case: "error"; readonly value: { readonly message: string } };
};

export type CallResult = {
  readonly responseHeaders: readonly Header[];
  readonly payloads: readonly Payload[];
  readonly error?: RpcError;
  readonly responseTrailers: readonly Header[];
};

export type Payload = { readonly data: Uint8Array; readonly requestInfo?: RequestInfo };

export type RequestInfo = {
  readonly requestHeaders: readonly Header[];
  readonly timeoutMs?: bigint;
  readonly requests: readonly Packed[];
  readonly connectGetInfo?: { readonly queryParams: readonly Header[] };
};

type ResponseDefinition = {
  readonly responseHeaders: readonly Header[];
  readonly responseTrailers: readonly Header[];
  readonly responseDelayMs: number;
};

export type UnaryDefinition = ResponseDefinition & {
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: RpcError }
    | { readonly case: undefined };
};

export type StreamDefinition = ResponseDefinition & {
  readonly responseData: readonly Uint8Array[];
  readonly error?: RpcError;
};

export type UnaryRequest = { readonly responseDefinition?: UnaryDefinition };

export type StreamRequest = {
  readonly responseDefinition?: StreamDefinition;
  /** Of the first message of a BidiStream. */
  readonly fullDuplex?: boolean;
};
