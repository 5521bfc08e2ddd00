// What an intruder may change behind the back of the books of eventful.ts, one thing at a time, and
// what a verification must say of it: the projection, what it is, and its words behind the tilde.

import type { Projection } from "../verify/findings.ts";
import type { Eventful } from "./eventful.ts";

export type Tampering = {
  readonly name: string;
  /** SQL, with names that `named` knows. */
  readonly change: string;
  readonly projection: Projection;
  readonly problem: RegExp;
};

const text = String.raw`
chain: a byte of a fact ~ ^hash of batch \d+ is
  update journal set data = set_byte(data, length(data) - 1, (get_byte(data, length(data) - 1)
  + 1) % 256) where sequence = $sale
chain: a byte behind a fact ~ ^hash of batch
  update journal set data = data || '\x00' where sequence = $sale
chain: the kind of a fact ~ ^hash of batch
  update journal set subject = 'bursar.ledger.v1.Else' where sequence = $sale
journal: a fact that is gone ~ ^fact \d+ is missing
  delete from journal where sequence = $sale
chain: a fact that nobody wrote ~ is in no batch
  insert into journal select id, head_sequence + 1, 'x', '' from ledger
chain: a batch that is gone ~ does not follow|is in no batch
  delete from batch where first_sequence = $sale
chain: a batch's hash ~ ^hash of batch
  update batch set hash = decode(repeat('01', 32), 'hex') where first_sequence = $sale
chain: hashes that were swapped ~ ^hash of batch 2
  update batch set hash = (select other.hash from batch other where other.first_sequence =
  case batch.first_sequence when 2 then 3 else 2 end) where first_sequence in (2, 3)
chain: a batch's previous hash ~ previous hash of batch
  update batch set previous_hash = decode(repeat('01', 32), 'hex') where first_sequence =
  $sale
chain: a batch's time ~ ^hash of batch
  update batch set recorded_time = recorded_time - interval '1 s' where first_sequence = $sale
chain: a batch's format ~ in format sha256\/2
  update batch set format_version = 2 where first_sequence = $sale
chain: the head's hash ~ head's hash
  update ledger set head_hash = decode(repeat('01', 32), 'hex')
chain: the head ~ the journal ends at
  update ledger set head_sequence = head_sequence + 1
chain: the head's time ~ recorded_time is
  update ledger set recorded_time = recorded_time + interval '1 s'
chain: when the ledger was created ~ create_time is
  update ledger set create_time = now()
journal: the ledger's name ~ display_name is Other .* School
  update ledger set display_name = 'Other'
period: up to when the ledger is closed ~ closed_time is
  update ledger set closed_time = '2001-01-01Z'
account: an account's kind ~ account assets:cash USD: kind is expense .* asset
  update account set kind = 'expense' where account_id = $cash
account: when an account was opened ~ open_time
  update account set open_time = now() where account_id = $cash
account: an account that nobody opened ~ assets:ghost USD is in its table
  insert into account (ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
  select id, 'assets:ghost', 'USD', 'asset', 1, now() from ledger
account: an account that is gone ~ liabilities:closed USD is missing
  delete from account where account_code = 'liabilities:closed'
account: a balance ~ account assets:cash USD: debits_minor is
  update account_state set debits_minor = debits_minor + 1 where account_id = $cash
account: what is pending ~ debits_pending_minor is 1 .* 83
  update account_state set debits_pending_minor = 1 where account_id = $wallet
account: a limit ~ floor_minor is -6 .* -5
  update account_state set floor_minor = -6 where account_id = $wallet
account: a limit that is gone ~ ceiling_minor is null .* 1000000
  update account_state set ceiling_minor = null where account_id = $wallet
account: a status ~ status is open .* closed
  update account_state set status = 'open' where status = 'closed'
account: an account's direction ~ grows_by_debits
  update account_state set grows_by_debits = false where account_id = $cash
account: when an account was changed ~ changed_sequence
  update account_state set changed_sequence = 1 where account_id = $wallet
account: an account's latest time ~ effective_time_max
  update account_state set effective_time_max = '2001-01-01Z' where account_id = $cash
account: a note on an account ~ tier "silver" .* tier "gold"
  update account_note set value = 'silver' where key = 'tier'
account: a note that is gone from an account ~ account liabilities:wallet USD: notes
  delete from account_note where key = 'tier'
account: a note more on an account ~ vip "yes"
  insert into account_note select ledger_id, account_id, 'vip', 'yes', account_code,
  asset_code from account where account_id = $cash
account: whose note it is ~ note tier of liabilities:wallet USD
  update account_note set account_code = 'liabilities:other' where key = 'tier'
asset: an asset's total ~ asset USD: posted_minor
  update asset set posted_minor = posted_minor + 1 where asset_code = 'USD'
asset: an asset's scale ~ scale is 3 .* 2
  update asset set scale = 3 where asset_code = 'USD'
asset: an asset that nobody registered ~ XAU
  insert into asset select id, 'XAU', 0, 1, 0 from ledger
entry: an amount ~ entry \d+ of assets:cash USD: amount_minor is 51 .* 50
  update entry set amount_minor = amount_minor + 1 where sequence = $sale and account_id =
  $cash
entry: what stands after an entry ~ debits_minor_after is 1 
  update entry set debits_minor_after = 1 where sequence = $sale and account_id = $cash
entry: when an entry counts ~ effective_time is
  update entry set effective_time = effective_time - interval '1 s' where sequence = $sale and
  account_id = $cash
entry: the latest time up to an entry ~ effective_time_max is
  update entry set effective_time_max = effective_time_max + interval '1 s' where sequence =
  $sale and account_id = $cash
entry: whose entry it is ~ sequence is 1 
  update entry set sequence = 1 where sequence = $sale and account_id = $cash
entry: an entry that is gone ~ entry \d+ of assets:cash USD is missing
  delete from entry where sequence = $sale and account_id = $cash
entry: an entry too many ~ assets:cash USD is in its table, but not
  insert into entry select account_id, version + 1, sequence, 1, debits_minor, credits_minor,
  now(), now() from account_state where account_id = $cash
entry: a mark of late entries ~ mark 3 of the late entries
  update late_mark set debits_minor = debits_minor + 1 where number = 3
entry: a mark that is gone ~ marks are
  delete from late_mark where number = 3
entry: a run of late entries ~ run 0 of level 1 differs
  update late_run set debits_minor[2] = debits_minor[2] + 1 where level = 1
entry: the time of a run ~ run 4 of level 0 differs
  update late_run set times[2] = times[2] + interval '1 us' where level = 0 and number = 4
transaction: a transaction's legs ~ transaction \d+: legs is 3 .* 2
  update transaction set legs = 3 where sequence = $sale
transaction: when a transaction counts ~ effective_time
  update transaction set effective_time = '2020-01-01Z' where sequence = $sale
transaction: when a transaction was written ~ recorded_time
  update transaction set recorded_time = '2020-01-01Z' where sequence = $sale
transaction: what a transaction reverses ~ reverses_sequence is 1 .* null
  update transaction set reverses_sequence = 1 where sequence = $sale
transaction: whose payment caused it ~ payment_sequence is 1
  update transaction set payment_sequence = 1 where sequence = $sale
transaction: a payment's transaction ~ payment_sequence
  update transaction set payment_sequence = sequence where sequence = (select sequence from
  payment where payment_id = 'stripe/acct_1/pi_1')
transaction: a transaction that is gone ~ is missing in its table
  delete from transaction where sequence = $sale
transaction: a transaction that nobody posted ~ transaction 1 is in its table, but not
  insert into transaction select ledger_id, 1, legs, effective_time, recorded_time, null, null
  from transaction where sequence = $sale
transaction: a transaction of the future ~ transaction 1000000 is in its table
  insert into transaction select ledger_id, 1000000, legs, effective_time, recorded_time,
  null, null from transaction where sequence = $sale
transaction: how much is reversed ~ reversed entry 1 of .*: reversed_minor is 29 .* 30
  update reversed_entry set reversed_minor = 29 where sequence = $reversed and entry_index = 1
transaction: a reversal that is forgotten ~ latest reversal of transaction \d+ is none
  delete from reversed_entry where sequence = $reversed
transaction: a reversal that was none ~ entries of reversed transactions
  insert into reversed_entry select ledger_id, $sale, 0, account_id, 1, 1, $sale + 1 from
  account limit 1
hold: what is left of a hold ~ voided_minor is 8 .* 7
  update hold set voided_minor = voided_minor + 1 where hold_sequence = $openHold
hold: a hold that has ended ~ voided_minor is 39 .* 40 by .*status is open
  update hold set status = 'open', voided_minor = 39 where hold_sequence = $capturedHold
hold: when a hold expires ~ expire_time
  update hold set expire_time = '2030-01-01Z' where hold_sequence = $openHold
hold: whose hold it is ~ credit_account_id
  update hold set credit_account_id = $cash where hold_sequence = $openHold
hold: a hold's latest fact ~ holds at a fact of their own
  update hold set sequence = sequence + 1 where hold_sequence = $openHold
hold: a hold that is gone ~ is missing
  delete from hold where hold_sequence = $openHold
hold: a hold that nobody made ~ holds
  insert into hold (ledger_id, hold_sequence, debit_account_id, credit_account_id, held_minor,
  captured_minor, voided_minor, tolerance_minor, status, sequence) select ledger_id, 1,
  debit_account_id, credit_account_id, 1, 0, 0, 0, 'open', 1 from hold limit 1
hold: the sum of holds ~ holds_debits_minor is 84 .* 83
  update hold_total set debits_minor = debits_minor + 1 where account_id = $wallet
payment: a payment that nobody made ~ payments
  insert into payment select id, 'p', '', 'USD', 1, 0, 0, 0, 0, 0, 9, 9 from ledger
payment: a payment that is gone ~ pi_1 is missing
  delete from payment $pi1
payment: what is refunded ~ refunded_minor is 3980 .* 280
  update payment set refunds_stated_minor = 4000 $pi1
payment: what was paid ~ paid_minor is 1 .* 9000
  update payment set paid_minor = 1 $pi1
payment: whose order it is ~ order_id is order_2 .* order_1
  update payment set order_id = 'order_2' $pi1
payment: a payment's latest fact ~ payment stripe.acct_1.pi_1
  update payment set sequence = first_sequence $pi1
payment: a refund that hides behind a total ~ totals of .*pi_1.*refunds_named_minor
  update payment set refunds_named_minor = refunds_named_minor + 1 $pi1
payment: a failed refund that a total makes up for ~ totals of payment.stripe.acct_1.pi_1
  update payment set refunds_failed_minor = 0, refunds_stated_minor = refunds_stated_minor -
  20 $pi1
payment: where a payment begins ~ first_sequence is 1 
  update payment set first_sequence = 1 $pi1
payment: what a fact said ~ cannot be read: nothing
  update fact set content = 'nothing' where key like 'refund/%'
key: a key ~ key a sale is missing
  delete from idempotency where key = 'a sale'
key: what a key was used for ~ key a sale is of 1 
  update idempotency set sequence = 1 where key = 'a sale'
key: a refused key ~ key crooked: refused is false
  update idempotency set refused = false where key = 'crooked'
key: a posted key ~ key a sale is refused
  update idempotency set refused = true where key = 'a sale'
key: a key of a hold ~ key increase is missing
  delete from idempotency where key = 'increase'
key: a key without a fact ~ key ghost names fact 99999
  insert into idempotency select ledger_id, 'ghost', digest, 99999, false from idempotency
  limit 1
key: a second key of a fact ~ key second names fact
  insert into idempotency select ledger_id, 'second', digest, sequence, false from idempotency
  where key = 'a sale'
key: the name of a provider's fact ~ pi_1.succeeded is missing
  delete from fact where key = 'payment/stripe/acct_1/pi_1/succeeded'
key: a name without a fact ~ payout.x names fact 99999
  insert into fact select id, 'payout/x', '', 99999 from ledger
key: a caller's transaction as a provider's ~ payout.y names fact
  insert into fact select id, 'payout/y', '', $sale from ledger
period: a period's end ~ end_time
  update period set end_time = end_time - interval '1 s'
period: what a period is ~ description is other .* early
  update period set description = 'other'
period: a period that nobody closed ~ closed periods
  insert into period select id, 1, '2001-01-01Z', '2001-01-01Z', '' from ledger
period: a period that is gone ~ is missing
  delete from period
suspense: why an entry is in suspense ~ reason is period-closed .* account-frozen
  update suspense_item set reason = 'period-closed'
suspense: where an entry in suspense belongs ~ account_id
  update suspense_item set account_id = $cash
suspense: a release that was none ~ releases from suspense
  update suspense_item set released_sequence = sequence + 1, released_version =
  suspense_version + 100 where released_sequence is null
suspense: a release that is forgotten ~ release of \d+ of \d+: released_sequence is null
  update suspense_item set released_sequence = null, released_version = null
suspense: an entry in suspense that is gone ~ is missing
  delete from suspense_item where released_sequence is null
note: an indexed note ~ note course of transaction \d+ is not in its index
  delete from note where key = 'course'
note: an indexed value ~ not in its index
  update note set value_digest = decode(repeat('00', 16), 'hex') where key = 'course'
note: an indexed note too many ~ notes of transactions
  insert into note select ledger_id, 'ghost', value_digest, sequence from note limit 1
note: how far the notes are indexed ~ notes of transactions
  update note_position set indexed_sequence = 8
`;

export const changes: readonly Tampering[] = text
  .trim()
  .split(/\n(?=\S)/)
  .map((lines) => {
    const [first = "", ...change] = lines.split("\n");
    const [, projection, name, problem] = /^(\w+): (.+) ~ (.+)$/.exec(first) ?? [];
    return {
      name: name ?? first,
      change: change.join("\n"),
      projection: projection as Projection,
      problem: new RegExp(problem ?? first),
    };
  });

/** Fills in what the change is about. */
export function named(change: string, sequences: Eventful): string {
  const names: Readonly<Record<string, unknown>> = { ...sequences, ...accounts };
  return change.replaceAll(/\$(\w+)/g, (_, name: string) => String(names[name]));
}

const accounts = {
  cash: `(select account_id from account
    where account_code = 'assets:cash' and asset_code = 'USD')`,
  wallet: "(select account_id from account where account_code = 'liabilities:wallet')",
  pi1: "where payment_id = 'stripe/acct_1/pi_1'",
};
