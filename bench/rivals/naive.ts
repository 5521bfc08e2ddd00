// What most teams write first: verify with Stripe's package, await one publish a
// request, answer.

import { jetstream } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import Stripe from "stripe";
import { brokerAccess } from "#mesh/events/broker-access.ts";
import { silentLog } from "#mesh/testing/broker.ts";
import { listen } from "./listen.ts";

const broker = jetstream(
  await connect(brokerAccess({ url: process.env["NATS_URL"] ?? "" }, silentLog())),
);
const secret = process.env["BENCH_SECRET"] ?? "";
const subject = process.env["BENCH_SUBJECT"] ?? "";
const stripe = new Stripe("sk_test_unused");

listen(async (body, headers) => {
  const signature = headers["stripe-signature"] ?? "";
  const event = stripe.webhooks.constructEvent(body, signature, secret);
  await broker.publish(subject, body, { msgID: event.id });
});
