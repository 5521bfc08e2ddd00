// Writes X.509 certificates: the few DER structures that a local authority and
// its leaves need (RFC 5280), for P-256 keys. Reading and verifying is left to
// node:crypto, which also proves in the tests that these are well formed.

import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4, isIPv6 } from "node:net";

export type AlternativeName = {
  readonly kind: "uri" | "dns" | "ip";
  readonly value: string;
};

export type CertificateRequest = {
  readonly subject: string;
  readonly subjectKey: KeyObject;
  readonly issuer: string;
  /** Private key that signs; the subject's own for a root. */
  readonly issuerKey: KeyObject;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** A root that may sign leaves, or a leaf with its names and uses. */
  readonly use:
    | { readonly kind: "authority" }
    | {
        readonly kind: "leaf";
        readonly names: readonly AlternativeName[];
        readonly client: boolean;
        readonly server: boolean;
      };
};

/** A signed certificate in PEM. */
export function createCertificate(request: CertificateRequest): string {
  const signed = sequence(
    context(0, integer(Buffer.of(2))), // version 3
    // The first byte keeps the number positive and without leading zeros.
    integer(Buffer.concat([Buffer.of(0x40), randomBytes(15)])),
    ecdsaWithSha256,
    name(request.issuer),
    sequence(time(request.notBefore), time(request.notAfter)),
    name(request.subject),
    spki(request.subjectKey),
    context(3, sequence(...extensions(request))),
  );
  const signature = sign("sha256", signed, request.issuerKey);
  const der = sequence(signed, ecdsaWithSha256, bitString(signature, 0));
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

function extensions({ use, subjectKey, issuerKey }: CertificateRequest): Buffer[] {
  const subjectKeyId = extension("2.5.29.14", false, octets(keyId(subjectKey)));
  const issuerKeyId = extension("2.5.29.35", false, sequence(tlv(0x80, keyId(issuerKey))));
  if (use.kind === "authority") {
    return [
      extension("2.5.29.19", true, sequence(boolean(true), integer(Buffer.of(0)))),
      extension("2.5.29.15", true, bitString(Buffer.of(0b0000_0110), 1)), // sign certificates, CRLs
      subjectKeyId,
      issuerKeyId,
    ];
  }
  const purposes = [
    ...(use.server ? [oid("1.3.6.1.5.5.7.3.1")] : []),
    ...(use.client ? [oid("1.3.6.1.5.5.7.3.2")] : []),
  ];
  return [
    extension("2.5.29.19", true, sequence()),
    extension("2.5.29.15", true, bitString(Buffer.of(0b1000_0000), 7)), // digital signature
    extension("2.5.29.37", false, sequence(...purposes)),
    extension("2.5.29.17", false, sequence(...use.names.map(alternativeName))),
    subjectKeyId,
    issuerKeyId,
  ];
}

function alternativeName({ kind, value }: AlternativeName): Buffer {
  if (kind === "uri") return tlv(0x86, Buffer.from(value, "ascii"));
  if (kind === "dns") return tlv(0x82, Buffer.from(value, "ascii"));
  return tlv(0x87, addressBytes(value));
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  if (!isIPv6(address) || address.includes(".")) {
    throw new Error(`not an IP address this can write: ${address}`);
  }
  const [before = [], after = []] = address
    .split("::")
    .map((part) => part.split(":").filter(Boolean));
  const zeros = Array<string>(8 - before.length - after.length).fill("0");
  const bytes = Buffer.alloc(16);
  for (const [place, group] of [...before, ...zeros, ...after].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), place * 2);
  }
  return bytes;
}

function spki(key: KeyObject): Buffer {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ type: "spki", format: "der" });
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha256").update(spki(key)).digest().subarray(0, 20);
}

function extension(id: string, critical: boolean, value: Buffer): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

function name(commonName: string): Buffer {
  const attribute = sequence(oid("2.5.4.3"), tlv(0x0c, Buffer.from(commonName)));
  return sequence(tlv(0x31, attribute));
}

function time(date: Date): Buffer {
  const digits = `${date.toISOString().replace(/[-:T]|\.\d+Z$/g, "")}Z`;
  const isShort = date.getUTCFullYear() < 2050;
  return isShort ? tlv(0x17, Buffer.from(digits.slice(2))) : tlv(0x18, Buffer.from(digits));
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return tlv(0x06, Buffer.from(bytes));
}

const sequence = (...parts: readonly Buffer[]) => tlv(0x30, Buffer.concat(parts));
const context = (tag: number, value: Buffer) => tlv(0xa0 | tag, value);
const integer = (bytes: Buffer) => tlv(0x02, bytes);
const boolean = (value: boolean) => tlv(0x01, Buffer.of(value ? 0xff : 0));
const octets = (bytes: Buffer) => tlv(0x04, bytes);
const bitString = (bytes: Buffer, unusedBits: number) =>
  tlv(0x03, Buffer.concat([Buffer.of(unusedBits), bytes]));

/** Tag, length, value: all of DER. */
function tlv(tag: number, value: Buffer): Buffer {
  const size = value.byteLength;
  if (size < 0x80) return Buffer.concat([Buffer.of(tag, size), value]);
  if (size < 0x100) return Buffer.concat([Buffer.of(tag, 0x81, size), value]);
  return Buffer.concat([Buffer.of(tag, 0x82, size >> 8, size & 0xff), value]);
}

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
