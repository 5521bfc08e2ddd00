// SearchCatalog: a page of hits, the best first. Everybody finds everything that is
// published; the text around a hit is shown only to who may read it.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type {
  SearchCatalogRequest,
  SearchCatalogResponseSchema,
} from "#gen/bursar/cms/v1/catalog_service_pb.ts";
import type { Pool } from "#mesh/database/pool.ts";
import type { AccessChecker } from "../access/check.ts";
import { wantedLocales } from "../catalog/locale.ts";
import { cutPage, readPage } from "../requests/page.ts";
import { refused } from "../requests/refusal.ts";
import { snippetHtml } from "./snippet.ts";
import * as store from "./store.ts";

const pageSizeDefault = 20;
const pageSizeMax = 100;

export function catalogSearch(pool: Pool, access: AccessChecker) {
  return async (
    request: SearchCatalogRequest,
    learnerId: string | undefined,
  ): Promise<MessageInitShape<typeof SearchCatalogResponseSchema>> => {
    const { query, courseId } = request;
    const locales = wantedLocales(request.locales);
    const question = ["SearchCatalog", query, courseId, ...locales];
    const pageSize = Math.min(request.pageSize || pageSizeDefault, pageSizeMax);
    const page = readPage({ pageSize, pageToken: request.pageToken }, question);

    const readings = await store.readReadings(pool, query);
    if (readings.some(({ isBounded }) => !isBounded)) {
      const message = `query ${JSON.stringify(query)} only says what must not be found; add a word`;
      throw refused("QUERY_INVALID", message, { resource: query });
    }
    const configs = readings.filter(({ isEmpty }) => !isEmpty).map(({ config }) => config);
    if (configs.length === 0) return { hits: [], nextPageToken: "" };

    const after = page.after === undefined ? undefined : placeOf(page.after);
    const asked = { text: query, configs, locales, courseId, after, limit: page.size + 1 };
    const found = await store.readHits(pool, asked);
    const { rows, nextPageToken } = cutPage(found, page, question, keyOf);
    const snippets = await readSnippets(rows, query, learnerId);
    const hits = rows.map((row) => ({ ...row, snippetHtml: snippets.get(keyOf(row)) ?? "" }));
    return { hits, nextPageToken };
  };

  async function readSnippets(
    hits: readonly store.Hit[],
    text: string,
    learnerId: string | undefined,
  ): Promise<Map<string, string>> {
    const answers =
      learnerId === undefined
        ? []
        : await access.checkAll(
            hits.map(({ courseId, lessonId }) => ({ learnerId, courseId, lessonId })),
          );
    const readable = hits.filter(({ lessonId, freePreview }, n) => {
      return lessonId === "" || freePreview || answers[n]?.reason === "granted";
    });
    if (readable.length === 0) return new Map();
    const marked = await store.readSnippets(pool, readable, text);
    return new Map(marked.map((row) => [keyOf(row), snippetHtml(row.marked)]));
  }
}

/** A place in the order of hits, in letters that a page token takes. */
function keyOf({ score, courseId, lessonId }: store.HitPlace): string {
  return `${score}-${courseId}-${lessonId}`;
}

function placeOf(key: string): store.HitPlace {
  const [score = "", courseId = "", lessonId = ""] = key.split("-");
  if (!/^\d{1,10}$/.test(score)) {
    throw refused("PAGE_TOKEN_INVALID", "page_token does not belong to this request");
  }
  return { score: Number(score), courseId, lessonId };
}
