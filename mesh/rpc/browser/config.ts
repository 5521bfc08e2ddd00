// What the listener for browsers is told: where it listens, with which certificate, and which pages
// may call it.

import type { EnvReader } from "../../process/config.ts";

export type BrowserConfig = {
  readonly host: string;
  /** Zero: any free port. */
  readonly port: number;
  /** Origins of pages, each exactly as a browser names it: `https://school.example`. */
  readonly origins: readonly string[];
  /** Of this listener; it asks nobody for a certificate. */
  readonly tls: { readonly certFile: string; readonly keyFile: string };
};

/** Undefined where no port is named: nothing listens. */
export function readBrowserConfig(
  read: EnvReader,
  jwksFile: string | undefined,
): BrowserConfig | undefined {
  if (read.optional("BROWSER_PORT") === undefined) return undefined;
  if (jwksFile === undefined) {
    read.problems.push("BROWSER_PORT needs JWKS_FILE: in a browser, a user's token stands for all");
  }
  return {
    host: read.text("BROWSER_HOST", "127.0.0.1"),
    port: read.integer("BROWSER_PORT", { min: 0, max: 65_535 }),
    origins: readOrigins(read),
    tls: {
      certFile: read.file("BROWSER_TLS_CERT_FILE"),
      keyFile: read.file("BROWSER_TLS_KEY_FILE"),
    },
  };
}

function readOrigins(read: EnvReader): readonly string[] {
  const text = read.text("BROWSER_ORIGINS");
  const listed = text
    .split(",")
    .map((origin) => origin.trim())
    .filter((origin) => origin !== "");
  for (const origin of listed) {
    const problem = originProblem(origin);
    if (problem !== undefined) read.problems.push(`BROWSER_ORIGINS holds ${origin}: ${problem}`);
  }
  return listed;
}

const ownMachine = /^(localhost|127\.0\.0\.1|\[::1\])$/;

/** Anybody on the way could change a page that comes over http, and call in its name. */
function originProblem(origin: string): string | undefined {
  if (origin.includes("*")) return "name the pages that may call, one by one";
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url === undefined || url.origin !== origin) {
    return "an origin is https://<host>[:<port>] in lower case, and nothing after it";
  }
  if (url.protocol === "https:") return undefined;
  if (url.protocol === "http:" && ownMachine.test(url.hostname)) return undefined;
  return "its pages do not come over https";
}
