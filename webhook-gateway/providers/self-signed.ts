// A certificate of one's own making, for the self-test of what is signed by certificate: the least
// that X.509 asks for, written out in DER, because nothing in Node makes one.

import { type KeyObject, sign, X509Certificate } from "node:crypto";

/** Object identifiers of sha256WithRSAEncryption and commonName, encoded. */
const sha256WithRsa = Buffer.from("2a864886f70d01010b", "hex");
const commonName = Buffer.from("550403", "hex");

const tags = {
  integer: 0x02,
  bitString: 0x03,
  null: 0x05,
  objectId: 0x06,
  utf8: 0x0c,
  time: 0x17,
  sequence: 0x30,
  set: 0x31,
};

/** Signed by an RSA key for itself, valid from 2020 to 2049. */
export function createSelfSigned(
  { publicKey, privateKey }: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
  name: string,
): X509Certificate {
  const algorithm = sequence(der(tags.objectId, sha256WithRsa), der(tags.null));
  const subject = sequence(
    der(tags.set, sequence(der(tags.objectId, commonName), der(tags.utf8, Buffer.from(name)))),
  );
  const validity = sequence(time("200101000000Z"), time("491231235959Z"));
  const spki = publicKey.export({ type: "spki", format: "der" });
  const serial = der(tags.integer, Buffer.from([1]));
  const signed = sequence(serial, algorithm, subject, validity, subject, spki);
  const signature = sign("sha256", signed, privateKey);
  // The zero says that no bit of the last byte is unused.
  const bits = der(tags.bitString, Buffer.from([0]), signature);
  return new X509Certificate(sequence(signed, algorithm, bits));
}

function sequence(...parts: readonly Uint8Array[]): Buffer {
  return der(tags.sequence, ...parts);
}

function time(text: string): Buffer {
  return der(tags.time, Buffer.from(text));
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}
