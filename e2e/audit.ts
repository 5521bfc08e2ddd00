// Holds what the ledger and the CMS say against what the provider's events mean.

import { expect } from "vitest";
import type { Clients } from "#dev/clients.ts";
import type { House } from "#dev/house.ts";
import { urlAs } from "#dev/postgres.ts";
import type { PaymentState } from "#gen/bursar/ledger/v1/transaction_pb.ts";
import { openPool } from "#mesh/database/pool.ts";
import { verifyLedger } from "../ledger-service/verify/verify.ts";
import type { Life } from "./lives.ts";

export const ledgerId = "main";

/** One line a payment, so that a difference can be read. */
export function expectedLines(lives: readonly Life[]): string[] {
  return lives.map(({ learnerId, name, payment, totals, access }) => {
    const money = totals
      ? `paid ${totals.paid} refunded ${totals.refunded} disputed ${totals.disputed} lost ${totals.lost}`
      : "no money";
    return `${learnerId} ${payment.paymentIntentId} (${name}): ${money}, access ${access}`;
  });
}

export async function actualLines(
  clients: Clients,
  courseId: string,
  lives: readonly Life[],
): Promise<string[]> {
  const states = await paymentStates(clients);
  return Promise.all(
    lives.map(async ({ learnerId, name, payment }) => {
      const state = states.get(`stripe/acct_demo/${payment.paymentIntentId}`);
      const { allowed } = await clients.enrollments.checkAccess({ learnerId, courseId });
      const money = state
        ? `paid ${state.paidMinor} refunded ${state.refundedMinor} disputed ${state.disputedMinor} lost ${state.lostMinor}`
        : "no money";
      return `${learnerId} ${payment.paymentIntentId} (${name}): ${money}, access ${allowed}`;
    }),
  );
}

async function paymentStates(clients: Clients): Promise<ReadonlyMap<string, PaymentState>> {
  const states = new Map<string, PaymentState>();
  let pageToken = "";
  do {
    const page = await clients.ledger.listPaymentStates({ ledgerId, pageSize: 500, pageToken });
    for (const state of page.paymentStates) states.set(state.paymentId, state);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return states;
}

/** What must hold of every ledger, whatever happened to it. */
export async function auditBooks(house: House, clients: Clients): Promise<void> {
  const { totals } = await clients.ledger.getTrialBalance({ ledgerId });
  expect(totals.length).toBeGreaterThan(0);
  for (const { debitsMinor, creditsMinor } of totals) expect(debitsMinor).toBe(creditsMinor);

  for (const service of ["gateway", "ledger", "cms"] as const) {
    const { deadLetters } = await clients[`${service}DeadLetters`].listDeadLetters({});
    expect(deadLetters.map(({ detail }) => `${service}: ${detail}`)).toEqual([]);
    const { parked } = await clients[`${service}Consumer`].listParked({});
    expect(parked.map(({ waitsFor }) => `${service}: ${waitsFor}`)).toEqual([]);
  }

  const role = "ledger_runtime";
  const url = urlAs(house.databaseUrl, role, house.provision.passwordOf(role));
  const applicationName = "audit";
  const pool = openPool({ url, connectionsMax: 1, schema: "ledger", applicationName });
  try {
    expect(await verifyLedger(pool, ledgerId)).toEqual([]);
  } finally {
    await pool.end();
  }
}
