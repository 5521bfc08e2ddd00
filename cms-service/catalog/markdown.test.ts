import fc from "fast-check";
import { expect, test } from "vitest";
import { problemsOf } from "../testing/safe-html.ts";
import { htmlOf, plainTextOf } from "./markdown.ts";

const seed = Number(process.env["SEED"] ?? Date.now() % 2 ** 31);
console.info(`seed ${seed}`);

test("Markdown becomes HTML", () => {
  expect(htmlOf("# One\n\n*Two* **three** `four`\n\n- five\n1. six")).toBe(
    "<h1>One</h1>\n<p><em>Two</em> <strong>three</strong> <code>four</code></p>\n" +
      "<ul>\n<li>five</li>\n</ul>\n<ol>\n<li>six</li>\n</ol>\n",
  );
  expect(htmlOf("| a | b |\n|:-:|--:|\n| 1 | 2 |")).toContain('<td align="center">1</td>');
  expect(htmlOf("```ts\nlet a = 1 < 2;\n```")).toBe(
    '<pre><code class="language-ts">let a = 1 &lt; 2;\n</code></pre>\n',
  );
  expect(htmlOf("3. three")).toContain('<ol start="3">');
  expect(htmlOf("")).toBe("");
});

test("links open nothing and lend nobody their name", () => {
  expect(htmlOf('[a](https://example.org/?a=1&b=2 "t") [b](/c#d) [e](mailto:f@example.org)')).toBe(
    '<p><a href="https://example.org/?a=1&amp;b=2" title="t" rel="noopener nofollow">a</a> ' +
      '<a href="/c#d" rel="noopener nofollow">b</a> ' +
      '<a href="mailto:f@example.org" rel="noopener nofollow">e</a></p>\n',
  );
  expect(htmlOf('<a href="/x" rel="opener" target="_blank">x</a>')).toBe(
    '<p><a href="/x" rel="noopener nofollow">x</a></p>\n',
  );
});

test("harmless HTML of an author's own is kept", () => {
  expect(htmlOf("H<sub>2</sub>O <kbd>Esc</kbd>")).toBe("<p>H<sub>2</sub>O <kbd>Esc</kbd></p>\n");
});

test.each([
  ["a script", "<script>alert(1)</script>", ""],
  ["a style", "<style>p{display:none}</style>", ""],
  ["a frame", '<iframe src="https://example.org"></iframe>', ""],
  ["an image that fails", "<img src=x onerror=alert(1)>", '<img src="x" />'],
  ["a script's address", "[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n"],
  ["a picture of code", "<svg><script>alert(1)</script></svg>", "<p></p>\n"],
])("%s does not get through", (_, text, html) => {
  expect(htmlOf(text)).toBe(html);
});

// What would run, or look like it, on its way through one parser or another.
const attacks = [
  "<script>alert(1)</script>",
  "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
  "<scr<script>ipt>alert(1)</scr</script>ipt>",
  "<script\n>alert(1)</script\n>",
  "<script/x>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "<img/src=`x`onerror=alert(1)>",
  '<img src="x" onerror="alert(1)" onload=alert(2)>',
  "<img src=javascript:alert(1)>",
  "<img src=data:text/html;base64,PHNjcmlwdD4=>",
  "<img srcset='javascript:alert(1) 1x'>",
  "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>",
  "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
  "<svg><animate attributeName=href values=javascript:alert(1) /></svg>",
  '<svg></p><style><a id="</style><img src=1 onerror=alert(1)>">',
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style>",
  "<math href='javascript:alert(1)'>x</math>",
  "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<iframe src=javascript:alert(1)>",
  "<object data=javascript:alert(1)></object>",
  "<embed src=javascript:alert(1)>",
  "<applet code=x></applet>",
  "<base href=javascript:alert(1)//>",
  "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
  "<link rel=stylesheet href=javascript:alert(1)>",
  "<style>@import 'javascript:alert(1)';</style>",
  "<p style='background:url(javascript:alert(1))'>x</p>",
  '<p style="width:expression(alert(1))">x</p>',
  "<div onclick=alert(1)>x</div>",
  "<details open ontoggle=alert(1)>x</details>",
  "<a href=javascript:alert(1)>x</a>",
  "<a href='java\tscript:alert(1)'>x</a>",
  "<a href='java\nscript:alert(1)'>x</a>",
  "<a href='&#106;avascript:alert(1)'>x</a>",
  "<a href='&#x6A;&#x61;vascript&colon;alert(1)'>x</a>",
  "<a href='\u0001javascript:alert(1)'>x</a>",
  "<a href=' javascript:alert(1)'>x</a>",
  "<a href='JaVaScRiPt:alert(1)'>x</a>",
  "<a href='vbscript:msgbox(1)'>x</a>",
  "<a href='data:text/html,<script>alert(1)</script>'>x</a>",
  "<a href='//evil.example'>x</a>",
  "<a href='\\\\evil.example'>x</a>",
  "<a href='/\\evil.example'>x</a>",
  "<a href='https:javascript:alert(1)'>x</a>",
  "<a href='x' onmouseover='alert(1)'>x</a>",
  "<a href=x target=_blank rel=opener>x</a>",
  "<a ping='//evil.example' href=x>x</a>",
  "<a name=x id=y>x</a>",
  "[x](javascript:alert(1))",
  "[x](JAVASCRIPT:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](javascript&colon;alert(1))",
  "[x](<java\nscript:alert(1)>)",
  "[x](vbscript:alert(1))",
  "[x](data:text/html;base64,PHNjcmlwdD4=)",
  "[x](//evil.example)",
  "![x](javascript:alert(1))",
  "![x](data:image/svg+xml;base64,PHN2Zz4=)",
  '![x](x "\\"onerror=alert(1)//")',
  '[x](x "\\"onmouseover=alert(1)//")',
  '[x](x"onmouseover=alert(1)")',
  '!["onerror=alert(1) x="](x)',
  "[x]: javascript:alert(1)\n\n[x]",
  "<javascript:alert(1)>",
  '<https://example.org/"onclick=alert(1)>',
  '```"><script>alert(1)</script>\nx\n```',
  "```js onclick=alert(1)\nx\n```",
  "`<script>alert(1)</script>`",
  "    <script>alert(1)</script>",
  "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
  '<!--<img src="--><img src=x onerror=alert(1)//">',
  "<!-- --!><script>alert(1)</script> -->",
  "<![CDATA[<script>alert(1)</script>]]>",
  "<?xml version='1.0'?><script>alert(1)</script>",
  "<!DOCTYPE html><script>alert(1)</script>",
  '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
  '<textarea><p title="</textarea><img src=x onerror=alert(1)>">',
  '<title><p title="</title><img src=x onerror=alert(1)>">',
  '<xmp><p title="</xmp><img src=x onerror=alert(1)>">',
  "<plaintext><img src=x onerror=alert(1)>",
  "<template><script>alert(1)</script></template>",
  "<select><option><script>alert(1)</script></option></select>",
  "<input autofocus onfocus=alert(1)>",
  "<button formaction=javascript:alert(1)>x</button>",
  "<form action=javascript:alert(1)><input type=submit></form>",
  "<video><source onerror=alert(1)></video>",
  "<audio src=x onerror=alert(1)>",
  "<marquee onstart=alert(1)>x</marquee>",
  "<body onload=alert(1)>",
  "<frameset onload=alert(1)>",
  "<x onclick=alert(1)>x</x>",
  "<p/onclick=alert(1)>x",
  '<p "onclick=alert(1)>x',
  "<p title='\"onclick=alert(1)'>x</p>",
  "<abbr title='\"><script>alert(1)</script>'>x</abbr>",
  "<code class='language-x onclick=alert(1)'>x</code>",
  "<ol start='1\" onclick=alert(1)'><li>x</li></ol>",
  "<td align='left\" onclick=alert(1)'>x</td>",
  '<a href="x"></a/onclick=alert(1)>',
  "<\u0000script>alert(1)</script>",
  "<scr\u0000ipt>alert(1)</scr\u0000ipt>",
  "\u2028<script>alert(1)</script>",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "&amp;lt;script&amp;gt;",
  "<b <script>alert(1)</script>",
  "</p><script>alert(1)</script>",
  "<<script>alert(1)//<</script>",
  '<img src="x" title="<script>alert(1)</script>">',
  "<p __proto__=x constructor=y>x</p>",
  "<constructor>x</constructor><__proto__>y</__proto__>",
];

test.each(attacks)("nothing runs in %j", (attack) => {
  for (const text of [attack, `a ${attack} b`, `- ${attack}`, `> ${attack}`, `**${attack}**`]) {
    expect(problemsOf(htmlOf(text)), text).toEqual([]);
  }
});

test("nothing runs in what attacks are made of, however they are put together", () => {
  const shreds = attacks.flatMap(
    (attack) => attack.match(/[<>"'`=:()[\]!/\\&;\s-]|\w+|[^\w\s]/g) ?? [],
  );
  const shred = fc.oneof(
    { arbitrary: fc.constantFrom(...new Set(shreds)), weight: 8 },
    { arbitrary: fc.constantFrom(...attacks), weight: 3 },
    { arbitrary: fc.string({ unit: "binary", maxLength: 3 }), weight: 1 },
  );
  const text = fc.array(shred, { maxLength: 30 }).map((parts) => parts.join(""));
  const property = fc.property(text, (attack) => {
    expect(problemsOf(htmlOf(attack))).toEqual([]);
  });
  fc.assert(property, { seed, numRuns: 3_000 });
});

const lengthMax = 262_144;
const long = (piece: string, length = lengthMax) => piece.repeat(length / piece.length);

test.each([
  ["brackets", long("[")],
  ["images in images", long("![")],
  ["emphasis", long("*a **b ")],
  ["quotes in quotes", long("> ")],
  ["lists in lists", long("- ")],
  ["own tags in own tags", long("<b>")],
  ["pictures in pictures", long("<svg>")],
  ["tags that do not end", long("<a ")],
  ["entities", long("&#x10ffff;")],
  ["a wide table", `${long("a|", 4_000)}\n${long("-|", 4_000)}\n${long("a\n", 200_000)}`],
  ["a long address", `[a]: /${long("x", lengthMax / 2)}\n\n${long("[a] ", lengthMax / 2)}`],
  ["an address used often", `[a]: /${long("x", 2_000)}\n\n${long("[a] ", 260_000)}`],
  ["a title used often", `[a]: /x "${long("x", 100_000)}"\n\n${long("[a] ", 160_000)}`],
  ["addresses", long("<http://a>")],
])("%s do not grow beyond measure", (_, text) => {
  const html = htmlOf(text);
  expect(html.length).toBeLessThan(16 * lengthMax);
  expect(plainTextOf(text).length).toBeLessThanOrEqual(text.length);
});

test("what is longer than a text may be is shown as it is written", () => {
  expect(htmlOf(`<b>${long("x")}`)).toBe(`<pre>&lt;b&gt;${long("x", lengthMax - 3)}</pre>`);
});

test("markup without end is shown as it is written", () => {
  expect(htmlOf(long("<i>x", 120_000)).slice(0, 20)).toBe("<p>&lt;i&gt;x&lt;i&g");
  expect(problemsOf(htmlOf(long("<i>x", 120_000)))).toEqual([]);
});

test("words are taken out of their markup", () => {
  const text =
    "# One\n\n*Two* [three](https://a.example) `four`\n<b>five</b>\n\n```\nsix\n```\n<!-- 7 -->";
  expect(plainTextOf(text).trim().split(/\s+/)).toEqual([
    "One",
    "Two",
    "three",
    "four",
    "five",
    "six",
  ]);
});
