import { expect, test } from "vitest";
import { debianArchive, isNewEnough, parseLines, parseStanzas } from "./nats-binary.ts";

test.each([
  ["2.9.10", false],
  ["2.11.99", false],
  ["2.12.0", true],
  ["2.15.1", true],
  ["3.0.0", true],
  [undefined, false],
])("nats-server %s is new enough: %s", (version, enough) => {
  expect(isNewEnough(version)).toBe(enough);
});

const stanzas = `# written by the installer
Types: deb deb-src
URIs: http://mirror.test/debian
Suites: bookworm
  bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
`;

test("sources in stanzas are read, folded lines and all", () => {
  expect(parseStanzas(stanzas)).toEqual([
    {
      url: "http://mirror.test/debian",
      suite: "bookworm",
      components: ["main", "contrib"],
      signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
    },
    {
      url: "http://mirror.test/debian",
      suite: "bookworm-updates",
      components: ["main", "contrib"],
      signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
    },
    {
      url: "http://mirror.test/debian-security",
      suite: "bookworm-security",
      components: ["main"],
      signedBy: undefined,
    },
  ]);
});

test("sources in lines are read, options and comments and all", () => {
  const text = `# deb http://no.test/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/tool.gpg] https://tool.test/apt stable tool
deb-src http://mirror.test/debian bookworm main
deb http://mirror.test/debian bookworm main non-free # the archive
`;
  expect(parseLines(text)).toEqual([
    {
      url: "https://tool.test/apt",
      suite: "stable",
      components: ["tool"],
      signedBy: "/etc/apt/keyrings/tool.gpg",
    },
    {
      url: "http://mirror.test/debian",
      suite: "bookworm",
      components: ["main", "non-free"],
      signedBy: undefined,
    },
  ]);
});

test("the archive is the one that holds main of the machine's release", () => {
  const others = parseLines("deb https://tool.test/apt stable tool");
  expect(debianArchive([...others, ...parseStanzas(stanzas)])).toEqual({
    url: "http://mirror.test/debian",
    signedBy: "/usr/share/keyrings/debian-archive-keyring.gpg",
  });
  expect(debianArchive(others)).toBe(undefined);
});
