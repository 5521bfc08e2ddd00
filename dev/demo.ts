// `make demo`: the path of a dollar, told step by step through real processes,
// with every claim checked. Exits 0 only if all of them held.

import { readFileSync, rmSync } from "node:fs";
import { AccessReason } from "#gen/bursar/cms/v1/enrollment_service_pb.ts";
import { OrderState, PaymentJudgement } from "#gen/bursar/cms/v1/order_service_pb.ts";
import { DeadLetterReason } from "#gen/bursar/mesh/v1/dead_letter_pb.ts";
import { entriesTable, scalesOf, transactionsOf, trialBalanceTable } from "./books.ts";
import { type Clients, openClients } from "./clients.ts";
import { environmentOfHouse } from "./environment.ts";
import { eventually } from "./eventually.ts";
import { type House, openHouse } from "./house.ts";
import { type Answer, openSender, type Sender, signAsStandard, signAsStripe } from "./provider.ts";
import { houseIn } from "./running.ts";
import { openShop, placeOrder, type Shop } from "./shop.ts";
import { createStory } from "./story.ts";
import {
  chargeRefunded,
  newStripePayment,
  paymentIntentSucceeded,
  refundEvent,
  type StripePayment,
  stripeId,
} from "./stripe-events.ts";
import { bold, dim, green, red, table } from "./terminal.ts";

const folder = ".bursar/demo";
const ledgerId = "main";
const story = createStory();

const runs = houseIn(folder);
if (runs !== undefined) {
  console.error(`a demo runs already; wait for it or stop it: kill -INT ${runs}`);
  process.exit(1);
}
rmSync(folder, { recursive: true, force: true });
console.log(bold("The path of a dollar"));
console.log(dim("Postgres, a broker and three services are starting, from nothing …"));
try {
  await using house = await openHouse({ folder, say: (line) => console.log(dim(line)) });
  await using clients = openClients(house);
  const ca = readFileSync(house.provision.tls.dev.caFile, "utf8");
  using sender = openSender({ ca });
  await tellAll(house, clients, sender);
} catch (error) {
  story.holds(`the story reached its end (${error})`, false);
}
const sound = story.broken.length === 0;
if (sound) console.log(green(`\nEverything held: ${story.held} claims, 0 broken.`));
else console.log(red(`\n${story.broken.length} claims did not hold; see ${folder}/logs/`));
process.exit(sound ? 0 : 1);

async function tellAll(house: House, clients: Clients, sender: Sender): Promise<void> {
  const env = environmentOfHouse(house);
  const books = { clients, ledgerId };
  const stripe = (event: object, secret = house.provision.endpoints.stripe.secret) =>
    sender.post(env["BURSAR_STRIPE_URL"] ?? "", signAsStripe(event, secret));

  story.chapter("A course is published and offered; a learner orders it");
  const shop = await openShop(clients, {
    slug: "double-entry",
    title: "Double entry in an afternoon",
    prices: [
      { amountMinor: 4_900n, currencyCode: "EUR" },
      { amountMinor: 4_900n, currencyCode: "USD" },
    ],
  });
  const orderId = await placeOrder(clients, shop, { learnerId: "learner-1", currencyCode: "USD" });
  story.tell(`course ${shop.courseId}, offer ${shop.offerId} at 49.00 USD`);
  story.tell(`order ${orderId} of learner-1`);
  const before = await clients.enrollments.checkAccess({ learnerId: "learner-1", ...shop });
  story.holds("learner-1 has no access yet", !before.allowed);

  story.chapter("Stripe says the learner paid");
  const payment = newStripePayment({ amount: 4_900, currency: "usd", orderId });
  const paid = paymentIntentSucceeded(payment);
  const answer = await stripe(paid);
  tellAnswer("payment_intent.succeeded, signed by the stripe package", answer);
  story.holds("Stripe gets 200, after the event is on disk", answer.status === 200);
  const openMs = await untilAccess(clients, shop, "learner-1", AccessReason.GRANTED);
  story.holds(`learner-1 has access, ${openMs} ms after the answer`, openMs !== undefined);
  await tellEntries(books, payment, 1);

  story.chapter("Stripe sends the same event again");
  const duplicate = await stripe(paid);
  tellAnswer("the same bytes, signed anew", duplicate);
  story.holds("Stripe gets 200 again", duplicate.status === 200);

  story.chapter("Somebody forges a payment");
  const secondOrder = await placeOrder(clients, shop, {
    learnerId: "learner-2",
    currencyCode: "USD",
  });
  const forgery = newStripePayment({ amount: 4_900, currency: "usd", orderId: secondOrder });
  const forged = await stripe(paymentIntentSucceeded(forgery), "whsec_guessed_by_an_attacker");
  tellAnswer("payment_intent.succeeded for learner-2, signed with another secret", forged);
  story.holds("the forger gets 401 and no reason", forged.status === 401);

  await tellMalformed(clients, stripe, secondOrder);
  await tellRefunds(books, clients, shop, stripe, payment);
  await tellStandardWebhooks(house, clients, sender, shop);
  await tellUnderpayment(clients, shop, stripe);
  await tellEnd(books, clients, shop, payment, forgery);
}

type PostStripe = (event: object) => Promise<Answer>;

async function tellMalformed(clients: Clients, stripe: PostStripe, orderId: string) {
  story.chapter("Stripe sends an amount that is no whole number");
  const payment = newStripePayment({ amount: 4_900, currency: "usd", orderId });
  const sent = JSON.stringify(paymentIntentSucceeded(payment));
  const text = sent.replaceAll(/("amount[a-z_]*":)4900\b/g, '$1"49.00"');
  const answer = await stripe(JSON.parse(text));
  tellAnswer(`payment_intent.succeeded with "amount": "49.00", well signed`, answer);
  story.holds("it is acknowledged: it was verified and stored", answer.status === 200);
  const reason = DeadLetterReason.AMOUNT_NOT_EXACT;
  const letter = await eventually(async () => {
    const { deadLetters } = await clients.gatewayDeadLetters.listDeadLetters({
      filter: { reason },
    });
    return deadLetters[0];
  });
  if (letter) story.tell(`dead letter: ${letter.detail}`);
  story.holds("it is kept as a dead letter: AMOUNT_NOT_EXACT", letter !== undefined);
}

async function tellRefunds(
  books: { clients: Clients; ledgerId: string },
  clients: Clients,
  shop: Shop,
  stripe: PostStripe,
  payment: StripePayment,
) {
  story.chapter("A part of the first payment is refunded");
  const refund = { refundId: stripeId("re"), amount: 1_000 };
  await stripe(chargeRefunded(payment, 1_000));
  const named = await stripe(refundEvent("refund.created", payment, refund, "succeeded"));
  tellAnswer("one refund of 10.00, reported twice: charge.refunded and refund.created", named);
  await tellEntries(books, payment, 2);
  const { allowed } = await clients.enrollments.checkAccess({ learnerId: "learner-1", ...shop });
  story.holds("learner-1 keeps access", allowed);
}

async function tellStandardWebhooks(
  house: House,
  clients: Clients,
  sender: Sender,
  shop: Shop,
): Promise<void> {
  story.chapter(
    "Another provider speaks Standard Webhooks, and its payment is later refunded whole",
  );
  const env = environmentOfHouse(house);
  const learnerId = "learner-3";
  const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "EUR" });
  const money = (amountMinor: number) => ({ amount_minor: amountMinor, currency: "EUR" });
  const post = (type: string, data: object) => {
    const payload = { type, timestamp: new Date().toISOString(), data };
    const event = { id: stripeId("msg"), payload };
    const signed = signAsStandard(event, house.provision.endpoints.standard.secret);
    return sender.post(env["BURSAR_STANDARD_URL"] ?? "", signed);
  };
  const payment = { payment_id: "pay_1001", order_id: orderId };
  const paid = await post("payment.succeeded", {
    ...payment,
    amount: money(4_900),
    fee: money(172),
    tax: money(782),
  });
  tellAnswer("payment.succeeded, 49.00 EUR with fee 1.72 and tax 7.82", paid);
  const openMs = await untilAccess(clients, shop, learnerId, AccessReason.GRANTED);
  story.holds(`${learnerId} has access, ${openMs} ms after the answer`, openMs !== undefined);
  const refunded = await post("payment.refunded", {
    ...payment,
    refund_id: "ref_1001",
    amount: money(4_900),
  });
  tellAnswer("payment.refunded, 49.00 EUR", refunded);
  const closedMs = await untilAccess(clients, shop, learnerId, AccessReason.REVOKED);
  story.holds(`${learnerId} lost access with the money`, closedMs !== undefined);
}

async function tellUnderpayment(clients: Clients, shop: Shop, stripe: PostStripe) {
  story.chapter("A learner pays too little");
  const learnerId = "learner-4";
  const orderId = await placeOrder(clients, shop, { learnerId, currencyCode: "USD" });
  const payment = newStripePayment({ amount: 4_899, currency: "usd", orderId });
  tellAnswer("payment_intent.succeeded, 48.99 USD", await stripe(paymentIntentSucceeded(payment)));
  const order = await eventually(async () => {
    const { order } = await clients.orders.getOrder({ orderId });
    return order?.state === OrderState.UNDERPAID ? order : undefined;
  });
  const judgement = order?.payments[0]?.judgement;
  story.holds("the order shows it as underpaid", judgement === PaymentJudgement.UNDERPAYS);
}

async function tellEnd(
  books: { clients: Clients; ledgerId: string },
  clients: Clients,
  shop: Shop,
  payment: StripePayment,
  forgery: StripePayment,
): Promise<void> {
  story.chapter("The books, and who has access");
  const scales = await scalesOf(books);
  const trial = await clients.ledger.getTrialBalance({ ledgerId });
  console.log(trialBalanceTable(trial, scales));
  const balanced = trial.totals.every((total) => total.debitsMinor === total.creditsMinor);
  story.holds("debits equal credits in every currency", trial.totals.length === 2 && balanced);
  const posted = await transactionsOf(books, paymentIdOf(payment));
  story.holds("the event that came twice was posted once", posted.length === 2);
  const invented = await transactionsOf(books, paymentIdOf(forgery));
  story.holds("the forgery posted nothing", invented.length === 0);

  const learners = ["learner-1", "learner-2", "learner-3", "learner-4"];
  const access = await Promise.all(
    learners.map((learnerId) => clients.enrollments.checkAccess({ learnerId, ...shop })),
  );
  const rows = access.map(({ allowed, reason }, n) => {
    const why = Object.entries(AccessReason).find(([, value]) => value === reason)?.[0] ?? "";
    return [learners[n] ?? "", allowed ? "access" : "none", why.toLowerCase().replace("_", " ")];
  });
  console.log(`\n${table(["learner", "", ""], rows)}`);
  const allowed = learners.filter((_, n) => access[n]?.allowed);
  story.holds("learner-1 has access and nobody else", allowed.join() === "learner-1");
}

function tellAnswer(sent: string, { status, body, elapsedMs }: Answer): void {
  story.tell(`→ ${sent}`);
  story.tell(`← ${status} in ${elapsedMs.toFixed(0)} ms ${dim(body.trim())}`);
}

async function tellEntries(
  books: { clients: Clients; ledgerId: string },
  payment: StripePayment,
  count: number,
): Promise<void> {
  const posted = await eventually(async () => {
    const transactions = await transactionsOf(books, paymentIdOf(payment));
    return transactions.length >= count ? transactions : undefined;
  });
  if (posted) console.log(entriesTable(posted, await scalesOf(books)));
  story.holds(`the ledger holds ${count} of its transactions`, posted?.length === count);
}

function paymentIdOf(payment: StripePayment): string {
  return `stripe/acct_demo/${payment.paymentIntentId}`;
}

/** Milliseconds until access stands for the reason; undefined when it never does. */
async function untilAccess(
  clients: Clients,
  shop: Shop,
  learnerId: string,
  wanted: AccessReason,
): Promise<string | undefined> {
  const startMs = performance.now();
  const found = await eventually(async () => {
    const { reason } = await clients.enrollments.checkAccess({ learnerId, ...shop });
    return reason === wanted ? reason : undefined;
  });
  return found === undefined ? undefined : (performance.now() - startMs).toFixed(0);
}
