// How fast the CMS is, as ratios to what the same machine does without it in the same run. `make
// bench` runs it; alone: node bench/cms.ts [part …], with the parts reads, publish, search and lag.

import { rmSync } from "node:fs";
import { type Clients, openClients } from "#dev/clients.ts";
import { type House, openHouse } from "#dev/house.ts";
import { bold, dim, table } from "#dev/terminal.ts";
import { benchLag, type LagResult } from "./cms-lag.ts";
import { benchPublish, type PublishResult } from "./cms-publish.ts";
import { benchReads, type Contest, type ReadsResult } from "./cms-reads.ts";
import { benchSearch, type SearchResult } from "./cms-search.ts";

export type CmsResult = {
  readonly reads?: readonly ReadsResult[];
  readonly publish?: PublishResult;
  readonly search?: SearchResult;
  readonly lag?: LagResult;
};

const allParts = ["lag", "reads", "publish", "search"];
const enrollments = [1_000, 100_000, 1_000_000];

export async function benchCms(
  house: House,
  clients: Clients,
  parts: readonly string[] = allParts,
): Promise<CmsResult> {
  const wanted = (part: string) => parts.includes(part);
  return {
    ...(wanted("lag") && { lag: await benchLag(house, clients) }),
    ...(wanted("reads") && { reads: await benchReads(house, clients, enrollments) }),
    ...(wanted("publish") && { publish: await benchPublish(house, clients) }),
    ...(wanted("search") && { search: await benchSearch(house, clients) }),
  };
}

const count = (value: number) => Math.round(value).toLocaleString("en");
const ms = (value: number) => value.toFixed(1);
const ratio = (part: number, whole: number) => `×${(part / whole).toFixed(2)}`;

export function printCms({ reads, publish, search, lag }: CmsResult): void {
  if (reads) printReads(reads);
  if (lag) printLag(lag);
  if (publish) printPublish(publish);
  if (search) printSearch(search);
}

function printReads(reads: readonly ReadsResult[]): void {
  console.log(bold("\nCMS: hot reads, 64 calls at once"));
  const row = (name: string, { served, empty }: Contest) => [
    name,
    count(served.perSecond),
    ratio(served.perSecond, empty.perSecond),
    ms(served.p50Ms),
    ms(served.p99Ms),
    String(served.refused),
  ];
  const rows = reads.flatMap(({ enrollments, checkAccess, getLesson }) => [
    row(`CheckAccess, ${count(enrollments)} enrollments`, checkAccess),
    row(`GetCatalogLesson, ${count(enrollments)} enrollments`, getLesson),
  ]);
  const head = ["", "a second", "of an empty handler", "p50 ms", "p99 ms", "refused"];
  console.log(table(head, rows));
}

function printLag({ access, floor }: LagResult): void {
  console.log(bold("\nCMS: from the provider's 200 to visible access"));
  const rows = [
    ["access", ms(access.p50Ms), ms(access.p99Ms), ratio(access.p99Ms, floor.p99Ms)],
    ["the fact at a consumer that does nothing", ms(floor.p50Ms), ms(floor.p99Ms), ratio(1, 1)],
  ];
  console.log(table(["", "p50 ms", "p99 ms", "p99 of the floor"], rows));
}

function printPublish({ lessons, p50Ms, maxMs, reads, torn }: PublishResult): void {
  console.log(bold(`\nCMS: publishing ${lessons} lessons`));
  const row = [ms(p50Ms), ms(maxMs), count(reads), String(torn)];
  console.log(table(["p50 ms", "max ms", "reads meanwhile", "torn"], [row]));
}

function printSearch({ lessons, rare, common }: SearchResult): void {
  console.log(bold(`\nCMS: searching ${count(lessons)} lessons`));
  const rows = [
    ["a word of one lesson in 997", ms(rare.p50Ms), ms(rare.p99Ms), ms(rare.hits)],
    ["a word of one lesson in 3", ms(common.p50Ms), ms(common.p99Ms), ms(common.hits)],
  ];
  console.log(table(["", "p50 ms", "p99 ms", "hits on the page"], rows));
}

if (process.argv[1]?.endsWith("/bench/cms.ts")) {
  const folder = ".bursar/bench-cms";
  rmSync(folder, { recursive: true, force: true });
  console.log(dim("starting …"));
  await using house = await openHouse({ folder, logLevel: "warn", validateResponses: "count" });
  await using clients = openClients(house);
  const parts = process.argv.slice(2);
  printCms(await benchCms(house, clients, parts.length > 0 ? parts : allParts));
}
