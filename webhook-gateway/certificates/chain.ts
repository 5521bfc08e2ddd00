// Whether a certificate is who it says: in the name it must bear, valid now, and issued, through
// the certificates that came with it, by a root that is trusted.

import { X509Certificate } from "node:crypto";

export type ChainOptions = {
  /** Of which the certificate must bear one. */
  readonly names: readonly string[];
  readonly roots: readonly X509Certificate[];
  readonly now: Date;
};

const certificatesMax = 8;

/** Every certificate of a PEM text; throws where one is none. */
export function parsePem(text: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

/** The first certificate of the text, or why it is not believed. */
export function checkChain(
  text: string,
  { names, roots, now }: ChainOptions,
): { readonly certificate: X509Certificate } | { readonly problem: string } {
  let certificates: X509Certificate[];
  try {
    certificates = parsePem(text);
  } catch {
    return { problem: "what came is no certificate" };
  }
  const [leaf, ...others] = certificates;
  if (!leaf) return { problem: "what came is no certificate" };
  if (certificates.length > certificatesMax) return { problem: "it came with too many others" };
  const isNamed = names.some((name) =>
    leaf.checkHost(name, { subject: "always", wildcards: false }),
  );
  if (!isNamed) return { problem: `it does not bear the name ${names.join(" or ")}` };
  if (leaf.ca) return { problem: "it is an authority's" };

  const left = new Set(others);
  for (let at = leaf; ; ) {
    if (!isValidAt(at, now)) return { problem: "it, or what issued it, is not valid now" };
    const root = roots.find((issuer) => issued(issuer, at) && isValidAt(issuer, now));
    if (root) return { certificate: leaf };
    const issuer = [...left].find((other) => issued(other, at));
    if (!issuer) return { problem: "it leads to no trusted root" };
    left.delete(issuer);
    at = issuer;
  }
}

function isValidAt({ validFromDate, validToDate }: X509Certificate, now: Date): boolean {
  return validFromDate <= now && now < validToDate;
}

/** An authority named as the issuer may be another one of that name: the key decides. */
function issued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
}
