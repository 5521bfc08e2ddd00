import { expect, test } from "vitest";
import { type Candidate, chooseEndpoint, type EndpointState, isThereAnother } from "./choice.ts";

const nobody: ReadonlySet<Candidate> = new Set();

test("who is ejected or says that it takes no calls is left out", () => {
  const [well, ...ill] = [endpoint("healthy"), endpoint("ejected"), endpoint("not_serving")];
  expect(chosen([...ill, well], nobody)).toEqual(new Set([well]));
});

test("a call that is made again goes to an endpoint it has not met", () => {
  const endpoints = [endpoint("healthy"), endpoint("healthy"), endpoint("healthy")];
  const [first, second, third] = endpoints as [Candidate, Candidate, Candidate];
  expect(chosen(endpoints, new Set([first, second]))).toEqual(new Set([third]));
  expect(isThereAnother(endpoints, new Set([first, second]))).toBe(true);
});

test("one that is well and was met is better than one that is ill and was not", () => {
  const [well, ill] = [endpoint("healthy"), endpoint("ejected")];
  expect(chosen([well, ill], new Set([well]))).toEqual(new Set([well]));
  expect(isThereAnother([well, ill], new Set([well]))).toBe(false);
});

test("when none is well, all of them are called", () => {
  const endpoints = [endpoint("ejected"), endpoint("not_serving")];
  expect(chosen(endpoints, nobody)).toEqual(new Set(endpoints));
});

test("one endpoint alone is called whatever is held of it", () => {
  const alone = endpoint("not_serving");
  expect(chosen([alone], new Set([alone]))).toEqual(new Set([alone]));
});

function endpoint(state: EndpointState): Candidate {
  return { inFlight: 0, latencyMs: 10, observedAt: 0, state };
}

/** Whoever is chosen in many tries. */
function chosen(endpoints: readonly Candidate[], met: ReadonlySet<Candidate>): Set<unknown> {
  let drawn = 0;
  const random = () => (drawn++ % 97) / 97;
  return new Set(Array.from({ length: 50 }, () => chooseEndpoint(endpoints, met, 0, random)));
}
