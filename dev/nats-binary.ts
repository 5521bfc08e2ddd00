// Finds a nats-server that is new enough, or brings one without touching the system. Its one
// idea: every way goes through a package manager that checks what it downloads.

import { execFile } from "node:child_process";
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Older servers have no `sync_interval: always`: they acknowledge what a power cut takes back. */
const versionMin = [2, 12] as const;
const goModule = "github.com/nats-io/nats-server/v2@v2.15.1";

const cacheDir = resolve(import.meta.dirname, "../.cache");
const foundFile = join(cacheDir, "nats-server.path");

export async function findNatsServer(say: (line: string) => void = () => {}): Promise<string> {
  const env = process.env;
  const tried: string[] = [];
  if (env["NATS_SERVER"]) {
    const version = await versionOf(env["NATS_SERVER"]);
    if (isNewEnough(version)) return env["NATS_SERVER"];
    tried.push(`NATS_SERVER=${env["NATS_SERVER"]} is ${version ?? "not a nats-server"}`);
  }
  for (const path of candidates(env["PATH"] ?? "")) {
    const version = await versionOf(path);
    if (isNewEnough(version)) return path;
    tried.push(`${path} is ${version ?? "not a nats-server"}`);
  }
  mkdirSync(cacheDir, { recursive: true });
  for (const [name, bring] of [
    ["Debian testing", bringFromDebian],
    ["go install", bringFromGo],
  ] as const) {
    try {
      const path = await bring(say);
      if (path === undefined) continue;
      const version = await versionOf(path);
      if (!isNewEnough(version)) throw new Error(`it brought ${version ?? "nothing that runs"}`);
      writeFileSync(foundFile, path);
      return path;
    } catch (error) {
      tried.push(`${name}: ${lastLine(error)}`);
    }
  }
  throw new Error(instructions(tried));
}

function* candidates(path: string): Generator<string> {
  if (existsSync(foundFile)) yield readFileSync(foundFile, "utf8").trim();
  for (const dir of [...path.split(delimiter), "/usr/sbin", "/usr/local/sbin"]) {
    const candidate = join(dir, "nats-server");
    if (existsSync(candidate)) yield candidate;
  }
}

async function versionOf(path: string): Promise<string | undefined> {
  const { stdout } = await run(path, ["--version"]).catch(() => ({ stdout: "" }));
  return /v(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
}

export function isNewEnough(version: string | undefined): boolean {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  return major > versionMin[0] || (major === versionMin[0] && minor >= versionMin[1]);
}

/**
 * apt with lists, cache and state of our own: the machine's proxies, certificates and keyring
 * apply, its installed packages and its lists stay as they are. Needs no root.
 */
async function bringFromDebian(say: (line: string) => void): Promise<string | undefined> {
  if (!existsSync("/etc/debian_version") || !existsSync("/usr/bin/apt-get")) return undefined;
  const archive = debianArchive(aptSources());
  if (archive === undefined) throw new Error("apt has no Debian archive with the component main");
  say("downloading nats-server from Debian testing with apt");
  const apt = join(cacheDir, "apt");
  rmSync(apt, { recursive: true, force: true });
  for (const dir of ["lists/partial", "archives/partial", "unpacked"]) {
    mkdirSync(join(apt, dir), { recursive: true });
  }
  writeFileSync(join(apt, "status"), "");
  writeFileSync(
    join(apt, "sources.list"),
    `deb [signed-by=${archive.signedBy}] ${archive.url} testing main\n`,
  );
  writeFileSync(join(apt, "apt.conf"), aptConfig(apt));
  const options = { cwd: join(apt, "archives"), env: { ...process.env, LC_ALL: "C" } };
  await run("apt-get", ["-c", join(apt, "apt.conf"), "-qq", "update"], options);
  await run("apt-get", ["-c", join(apt, "apt.conf"), "-qq", "download", "nats-server"], options);
  const [deb] = globSync("nats-server_*.deb", { cwd: options.cwd });
  if (deb === undefined) throw new Error("apt-get download left no package");
  await run("dpkg-deb", ["-x", deb, join(apt, "unpacked")], options);
  const path = join(apt, "unpacked/usr/sbin/nats-server");
  rmSync(join(apt, "lists"), { recursive: true, force: true });
  return path;
}

function aptConfig(apt: string): string {
  return `Dir::State "${apt}";
Dir::State::status "${apt}/status";
Dir::State::lists "${apt}/lists";
Dir::Cache "${apt}";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc::sourcelist "${apt}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferencesparts "-";
Dir::Etc::preferences "-";
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "";
#clear APT::Update;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
`;
}

export type AptSource = {
  readonly url: string;
  readonly suite: string;
  readonly components: readonly string[];
  readonly signedBy: string | undefined;
};

/** The machine's own apt sources, in both of apt's formats. */
function aptSources(): AptSource[] {
  const lists = ["/etc/apt/sources.list", ...globSync("/etc/apt/sources.list.d/*.list")];
  const stanzas = globSync("/etc/apt/sources.list.d/*.sources");
  const read = (path: string) => (existsSync(path) ? readFileSync(path, "utf8") : "");
  return [
    ...stanzas.flatMap((path) => parseStanzas(read(path))),
    ...lists.flatMap((path) => parseLines(read(path))),
  ];
}

/** The newer format: `Types:`, `URIs:`, `Suites:` … in stanzas. */
export function parseStanzas(text: string): AptSource[] {
  return text.split(/\n\s*\n/).flatMap((stanza) => {
    const lines = stanza.split("\n").filter((line) => !line.startsWith("#"));
    const unfolded = lines.join("\n").replaceAll(/\n[ \t]+/g, " ");
    const field = (name: string) =>
      new RegExp(`^${name}:[ \\t]*(.*)$`, "im").exec(unfolded)?.[1]?.trim().split(/\s+/) ?? [];
    if (!field("Types").includes("deb") || field("Enabled")[0] === "no") return [];
    const components = field("Components");
    const signedBy = field("Signed-By").find((value) => value.startsWith("/"));
    return field("URIs").flatMap((url) =>
      field("Suites").map((suite) => ({ url, suite, components, signedBy })),
    );
  });
}

/** The older format: `deb [options] url suite components` in lines. */
export function parseLines(text: string): AptSource[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]*)/.exec(line);
    if (!match) return [];
    const [, options = "", url = "", suite = "", components = ""] = match;
    const signedBy = /signed-by=(\/[^\s,]+)/.exec(options)?.[1];
    return [{ url, suite, components: components.trim().split(/\s+/), signedBy }];
  });
}

const keyrings = ["gpg", "pgp"].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);

/** The archive that the machine's own release comes from also holds testing. */
export function debianArchive(
  sources: readonly AptSource[],
): { url: string; signedBy: string } | undefined {
  const suites = /^(bullseye|bookworm|trixie|forky|sid|(old)*stable|testing|unstable)$/;
  const source = sources.find(({ suite, components, url }) => {
    return suites.test(suite) && components.includes("main") && !/security/.test(url);
  });
  if (source === undefined) return undefined;
  const signedBy = source.signedBy ?? keyrings.find((path) => existsSync(path)) ?? keyrings[0]!;
  return { url: source.url, signedBy };
}

async function bringFromGo(say: (line: string) => void): Promise<string | undefined> {
  const go = await run("go", ["version"]).catch(() => undefined);
  if (go === undefined) return undefined;
  say(`building nats-server with ${go.stdout.trim()}`);
  const bin = join(cacheDir, "go-bin");
  await run("go", ["install", goModule], { env: { ...process.env, GOBIN: bin } });
  return join(bin, "nats-server");
}

function lastLine(error: unknown): string {
  const { stderr, message } = error as { stderr?: string; message?: string };
  return (stderr || message || String(error)).trim().split("\n").at(-1) ?? "";
}

function instructions(tried: readonly string[]): string {
  return [
    `no nats-server >= ${versionMin.join(".")} found${tried.length > 0 ? ":" : ""}`,
    ...tried.map((line) => `  ${line}`),
    "bring one in any of these ways, then try again:",
    "  macOS:    brew install nats-server",
    "  a binary: unpack a release of github.com/nats-io/nats-server, set NATS_SERVER=<its path>",
    "  docker:   docker run -d -p 4222:4222 nats:2.12 -js, set NATS_URL=nats://127.0.0.1:4222",
    "            (give it a configuration with `sync_interval: always` to survive power cuts)",
    "  Go:       install Go, then run the same command again",
  ].join("\n");
}
