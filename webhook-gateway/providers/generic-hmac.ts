// Any sender that signs with an HMAC: which header, what is signed, how it is
// written are configuration. The template of the signed content must leave no
// doubt where one part ends, or bytes could be moved from one into another.

import { Coverage } from "#gen/bursar/payments/v1/provenance_pb.ts";
import {
  type GenericHmacConfig,
  HmacAlgorithm,
  KeyEncoding,
  SignatureEncoding,
} from "#gen/bursar/webhook/v1/endpoint_pb.ts";
import { identifyJson } from "./identify.ts";
import {
  ackJson,
  type Provider,
  rejected,
  retryHorizonMsShort,
  type SignedRequest,
} from "./provider.ts";
import * as signature from "./signature.ts";
import { parseTemplate, type Template } from "./template.ts";

const hashes: Partial<Record<number, signature.HmacHash>> = {
  [HmacAlgorithm.SHA256]: "sha256",
  [HmacAlgorithm.SHA512]: "sha512",
  [HmacAlgorithm.SHA1]: "sha1",
};

type Values = { readonly id: string; readonly timestamp: string; readonly body: Uint8Array };

/** The provider, or everything that is wrong with the configuration: names of fields and why. */
export function createGenericHmac(
  config: GenericHmacConfig,
): Provider | { readonly problems: readonly string[] } {
  const hash = hashes[config.algorithm];
  const template = parseTemplate(config.signedContent || "{body}");
  const problems = [...templateProblems(config, template), ...headerProblems(config)];
  if (!hash) problems.push("algorithm is unknown");
  if (!hash || "problem" in template || problems.length > 0) return { problems };
  return genericHmac(config, hash, template);
}

function templateProblems(
  config: GenericHmacConfig,
  template: Template | { readonly problem: string },
): string[] {
  if ("problem" in template) return [`signed_content ${template.problem}`];
  const problems: string[] = [];
  for (const [part, field, header] of [
    ["timestamp", "timestamp_header", config.timestampHeader],
    ["id", "id_header", config.idHeader],
  ] as const) {
    const signed = template.parts.has(part);
    if (signed && header === "") {
      problems.push(`signed_content holds {${part}}, but ${field} is empty`);
    }
    if (!signed && header !== "") {
      problems.push(`${field} is not signed: put {${part}} into signed_content`);
    }
  }
  return problems;
}

function headerProblems(config: GenericHmacConfig): string[] {
  const names = [config.signatureHeader, config.timestampHeader, config.idHeader]
    .filter((name) => name !== "")
    .map((name) => name.toLowerCase());
  return new Set(names).size === names.length
    ? []
    : ["signature_header, timestamp_header and id_header must be different headers"];
}

function genericHmac(
  config: GenericHmacConfig,
  hash: signature.HmacHash,
  template: Template,
): Provider {
  const signatureHeader = config.signatureHeader.toLowerCase();
  const timeHeader = config.timestampHeader.toLowerCase();
  const idHeader = config.idHeader.toLowerCase();
  const hex = config.signatureEncoding === SignatureEncoding.HEX;
  const decode = hex ? signature.decodeHex : signature.decodeBase64;

  return {
    name: "generic",
    scheme: "generic-hmac",
    algorithm: `hmac-${hash}`,
    coverage: coverageOf(idHeader, timeHeader),
    signatureHeaders: [signatureHeader, timeHeader, idHeader].filter((name) => name !== ""),
    contentType: "json",
    ack: ackJson,
    // Nothing is known of the sender: the outage policy of the endpoint says more.
    patience: { timeoutMs: 10_000, retryHorizonMs: retryHorizonMsShort },
    parseKey: (secret) => parseKey(secret, config.keyEncoding),

    sign({ key, body, now, eventId }) {
      const timestamp = signature.unixSecondsOf(now);
      const mac = signature.hmac(hash, key, template.content({ id: eventId, timestamp, body }));
      const headers = {
        [signatureHeader]: config.signaturePrefix + mac.toString(hex ? "hex" : "base64"),
        ...(timeHeader && { [timeHeader]: timestamp }),
        ...(idHeader && { [idHeader]: eventId }),
      };
      return { headers, body };
    },

    verify(request, trust) {
      const values = valuesOf(request, timeHeader, idHeader);
      const written = request.header(signatureHeader);
      if (!values || !written) return rejected("header-missing");
      const time = timeHeader ? signature.freshTime(values.timestamp, trust) : undefined;
      if (time && !(time instanceof Date)) return time;
      if (idHeader && !template.idFits(values.id)) return rejected("header-malformed");
      if (!written.startsWith(config.signaturePrefix)) return rejected("header-malformed");
      const bytes = decode(written.slice(config.signaturePrefix.length));
      if (!bytes || bytes.byteLength === 0) return rejected("header-malformed");
      const content = template.content(values);
      return signature.verdict(signature.matchSignatures(hash, trust.keys, content, [bytes]), time);
    },

    identify(request) {
      return {
        eventId: idHeader ? (request.header(idHeader) ?? "") : "",
        eventType: identifyJson(request.body).eventType,
      };
    },
  };
}

function valuesOf(
  request: SignedRequest,
  timeHeader: string,
  idHeader: string,
): Values | undefined {
  const timestamp = timeHeader ? request.header(timeHeader) : "";
  const id = idHeader ? request.header(idHeader) : "";
  if (timestamp === undefined || id === undefined) return undefined;
  return { id, timestamp, body: request.body };
}

/** An id without a time does not stop a replay, so it counts as the body alone. */
function coverageOf(idHeader: string, timeHeader: string): Provider["coverage"] {
  if (!timeHeader) return Coverage.BODY;
  return idHeader ? Coverage.ID_TIME_BODY : Coverage.TIME_BODY;
}

function parseKey(secret: string, encoding: KeyEncoding): ReturnType<Provider["parseKey"]> {
  const key = decodeKey(secret, encoding);
  if (!key) {
    const name = encoding === KeyEncoding.HEX ? "hexadecimal" : "base64 with padding";
    return { unusable: `is not ${name}, as key_encoding says` };
  }
  if (key.byteLength < signature.keyBytesMin) {
    return { unusable: `holds ${key.byteLength} bytes, must be at least ${signature.keyBytesMin}` };
  }
  return key;
}

function decodeKey(secret: string, encoding: KeyEncoding): Uint8Array | undefined {
  if (encoding === KeyEncoding.HEX) return signature.decodeHex(secret);
  if (encoding === KeyEncoding.BASE64) return signature.decodeBase64(secret);
  return Buffer.from(secret);
}
