-- The books of a ledger as release 0.1.0 wrote them, with its own code and migrations 1 to 3: postings,
-- refusals, a reversal, the life of a payment, and facts that wait for another payment. Loaded
-- without triggers, they are what an upgrade finds.

insert into account (account_id, ledger_id, account_code, asset_code, kind, opened_sequence, open_time)
overriding system value values
  ('1', '1', 'assets:cash', 'USD', 'asset', '3', '2026-11-23 20:15:36.931735+00'),
  ('2', '1', 'income:sales', 'USD', 'income', '4', '2026-11-23 20:15:36.931735+00'),
  ('3', '1', 'assets:cash', 'EUR', 'asset', '6', '2026-11-23 20:15:36.931735+00'),
  ('4', '1', 'income:sales', 'EUR', 'income', '7', '2026-11-23 20:15:36.931735+00'),
  ('5', '1', 'assets:stripe:clearing', 'USD', 'asset', '18', '2026-11-23 20:15:36.989506+00'),
  ('6', '1', 'expenses:fees:stripe', 'USD', 'expense', '19', '2026-11-23 20:15:36.989506+00'),
  ('7', '1', 'income:refunds', 'USD', 'income', '21', '2026-11-23 20:15:37.008758+00'),
  ('8', '1', 'assets:stripe:disputed', 'USD', 'asset', '25', '2026-11-23 20:15:37.031646+00'),
  ('9', '1', 'expenses:disputes', 'USD', 'expense', '27', '2026-11-23 20:15:37.031646+00'),
  ('10', '1', 'assets:bank', 'USD', 'asset', '29', '2026-11-23 20:15:37.031646+00');

insert into account_state (account_id, debits_minor, credits_minor, version, sequence)
overriding system value values
  ('3', '0', '0', '0', '6'),
  ('4', '0', '0', '0', '7'),
  ('1', '640', '100', '5', '15'),
  ('6', '320', '0', '1', '20'),
  ('2', '100', '10640', '6', '20'),
  ('7', '5000', '2000', '3', '24'),
  ('8', '4060', '4060', '4', '32'),
  ('5', '11680', '9110', '7', '31'),
  ('9', '4060', '0', '2', '32'),
  ('10', '50', '0', '1', '30');

insert into asset (ledger_id, asset_code, scale, registered_sequence, posted_minor)
overriding system value values
  ('1', 'EUR', '2', '5', '0'),
  ('1', 'USD', '2', '2', '25910');

insert into batch (ledger_id, first_sequence, last_sequence, recorded_time, algorithm, format_version, previous_hash, hash, written_by)
overriding system value values
  ('1', '1', '7', '2026-11-23 20:15:36.931735+00', 'sha256', '1', E'\\x0000000000000000000000000000000000000000000000000000000000000000', E'\\x59ac59c49b6294559d4d82de31f6f8ab30d425fddee54e3716ece7b5f47e49ec', '766'),
  ('1', '8', '10', '2026-11-23 20:15:36.950907+00', 'sha256', '1', E'\\x59ac59c49b6294559d4d82de31f6f8ab30d425fddee54e3716ece7b5f47e49ec', E'\\x2e33a755f2d6d81448e67454b38b01b1d3a12e34fcb72729c49c81d88e19830e', '768'),
  ('1', '11', '17', '2026-11-23 20:15:36.960239+00', 'sha256', '1', E'\\x2e33a755f2d6d81448e67454b38b01b1d3a12e34fcb72729c49c81d88e19830e', E'\\xe521db291a961661d5bc92497b79f06a1e00a6de276bca2eec4264ac1af3ae75', '769'),
  ('1', '18', '20', '2026-11-23 20:15:36.989506+00', 'sha256', '1', E'\\xe521db291a961661d5bc92497b79f06a1e00a6de276bca2eec4264ac1af3ae75', E'\\x92396bcc495a2a43603cdde7164545b5bd01a3697c85d23825c91cc55d447f74', '770'),
  ('1', '21', '24', '2026-11-23 20:15:37.008758+00', 'sha256', '1', E'\\x92396bcc495a2a43603cdde7164545b5bd01a3697c85d23825c91cc55d447f74', E'\\x5c050b827127029d393400d714bc471d0236370999d371066bca6adfd5214373', '771'),
  ('1', '25', '32', '2026-11-23 20:15:37.031646+00', 'sha256', '1', E'\\x5c050b827127029d393400d714bc471d0236370999d371066bca6adfd5214373', E'\\x8ab996e16df92d7730175c42d318a024a6b42a78b8b542450315a240fce4bcaf', '772');

insert into consumer_event (consumer, event, version)
overriding system value values
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.DisputeClosed', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.DisputeOpened', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.PaymentFailed', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.PaymentRefunded', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.PaymentSucceeded', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.PayoutFailed', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.PayoutPaid', '1'),
  ('ledger-service-PAYMENTS', 'bursar.payments.v1.RefundFailed', '1');

insert into dead_letter (dead_letter_id, consumer, message_id, sha256, subject, stream, stream_sequence, reason, detail, data, headers, dead_at, resolved_at)
overriding system value values
  ('1', 'ledger-service-PAYMENTS', 'pi_3/succeeded', E'\\xd2db5783f4ae2f3a922d3b54942438b1ac72d787200ae9f5fffd5cbb9abe739a', 'bursar.payments.v1.PaymentSucceeded', 'PAYMENTS', '13', '4', 'payment stripe/acct_1/pi_3 is over nothing', E'\\x0a046d61696e12127374726970652f616363745f312f70695f33220512035553443a060880e2cfaa0642460a0477685f31120b7374726970652d6d61696e1a056576745f3122200000000000000000000000000000000000000000000000000000000000000000280232060880e2cfaa06', '[["ce-specversion", "1.0"], ["ce-type", "bursar.payments.v1.PaymentSucceeded"], ["ce-dataschema", "bursar:bursar.payments.v1.PaymentSucceeded;version=1;sha256=53cf4e6fb144dc320e023c61c87d8d26a93c0ac81df4985160c4df07ebcda92e"], ["content-type", "application/protobuf"], ["ce-id", "pi_3/succeeded"], ["ce-source", "webhook-gateway"], ["ce-subject", "stripe/acct_1/pi_3"], ["ce-partitionkey", "stripe/acct_1/pi_3"], ["ce-time", "2026-11-23T20:15:37.028Z"], ["Nats-Msg-Id", "pi_3/succeeded"], ["Nats-Expected-Stream", "PAYMENTS"]]', '2026-11-23 20:15:37.039197+00', NULL);

insert into entry (account_id, version, sequence, amount_minor, debits_minor_after, credits_minor_after)
overriding system value values
  ('1', '1', '8', '100', '100', '0'),
  ('2', '1', '8', '-100', '0', '100'),
  ('1', '2', '9', '200', '300', '0'),
  ('2', '2', '9', '-200', '0', '300'),
  ('1', '3', '10', '300', '600', '0'),
  ('2', '3', '10', '-300', '0', '600'),
  ('1', '4', '11', '40', '640', '0'),
  ('2', '4', '11', '-40', '0', '640'),
  ('1', '5', '15', '-100', '640', '100'),
  ('2', '5', '15', '100', '100', '640'),
  ('5', '1', '20', '9680', '9680', '0'),
  ('6', '1', '20', '320', '320', '0'),
  ('2', '6', '20', '-10000', '100', '10640'),
  ('7', '1', '22', '3000', '3000', '0'),
  ('5', '2', '22', '-3000', '9680', '3000'),
  ('7', '2', '23', '2000', '5000', '0'),
  ('5', '3', '23', '-2000', '9680', '5000'),
  ('7', '3', '24', '-2000', '5000', '2000'),
  ('5', '4', '24', '2000', '11680', '5000'),
  ('8', '1', '26', '4000', '4000', '0'),
  ('5', '5', '26', '-4000', '11680', '9000'),
  ('9', '1', '28', '4000', '4000', '0'),
  ('8', '2', '28', '-4000', '4000', '4000'),
  ('10', '1', '30', '50', '50', '0'),
  ('5', '6', '30', '-50', '11680', '9050'),
  ('8', '3', '31', '60', '4060', '4000'),
  ('5', '7', '31', '-60', '11680', '9110'),
  ('9', '2', '32', '60', '4060', '0'),
  ('8', '4', '32', '-60', '4060', '4060');

insert into fact (ledger_id, key, content, sequence)
overriding system value values
  ('1', 'payment/stripe/acct_1/pi_1/succeeded', 'USD 10000, fee 320, tax 0, order order-pi_1', '20'),
  ('1', 'refund/stripe/acct_1/re-a-pi_1', 'USD 3000 of stripe/acct_1/pi_1', '22'),
  ('1', 'refunded_total/stripe/acct_1/pi_1/5000', 'USD', '23'),
  ('1', 'refund/stripe/acct_1/re-b-pi_1', 'USD 2000 of stripe/acct_1/pi_1', NULL),
  ('1', 'refund/stripe/acct_1/re-b-pi_1/failed', 'USD 2000 of stripe/acct_1/pi_1', '24'),
  ('1', 'dispute/stripe/acct_1/dp-pi_1/opened', 'USD 4000 of stripe/acct_1/pi_1', '26'),
  ('1', 'dispute/stripe/acct_1/dp-pi_1/closed', 'lost, USD 4000 of stripe/acct_1/pi_1', '28'),
  ('1', 'payout/stripe/acct_1/po_1/paid', 'USD 50', '30'),
  ('1', 'payout/stripe/acct_1/po_2/failed', 'USD 7', NULL),
  ('1', 'dispute/stripe/acct_1/dp_2/opened', 'USD 60 of stripe/acct_1/pi_1', '31'),
  ('1', 'dispute/stripe/acct_1/dp_2/closed', 'lost, USD 60 of stripe/acct_1/pi_1', '32');

insert into idempotency (ledger_id, key, digest, sequence, refused)
overriding system value values
  ('1', 'k0', E'\\x2b350aa1b3e6571e6c443cc5f1c55cd184a62132c25265c770513c99935698a0', '8', 'false'),
  ('1', 'k1', E'\\xf657dff3e3be1daf962e069b0fcfdc6cc318ecacb7daea8772706ba1d84792fb', '9', 'false'),
  ('1', 'k2', E'\\x2ea95bfdbab6b3efdc6953c7597420e528dfd6382c2243f30e4c353f2699fa68', '10', 'false'),
  ('1', 'noted', E'\\xe9c81161801c7a47324ccc64b0b532785b46575bbf497dcbe20a3872778fca47', '11', 'false'),
  ('1', 'unbalanced', E'\\x5c916234de75cf8e2b9c01cbbd8851ef7e77324d2c643903d2ff93607a65f461', '12', 'true'),
  ('1', 'nowhere', E'\\x12cd0ad85270f180e56e324e8857ec6fbb17133ff3a543916c33d03f4f3ac500', '13', 'true'),
  ('1', 'huge', E'\\xe4e6a05f961afda22144399f65d94e6ac859947d41df8d4f78974faa39893a1f', '14', 'true'),
  ('1', 'undo', E'\\x7071ac860ff4bea1a359da26abb4d0e35b24c59d87ba09f1b0d2f579e58e51c8', '15', 'false'),
  ('1', 'undo again', E'\\x7071ac860ff4bea1a359da26abb4d0e35b24c59d87ba09f1b0d2f579e58e51c8', '16', 'true'),
  ('1', 'undo nothing', E'\\x0d7193c692d15023d83767d4c8704747626dfa1c922eeef0515e8754deb0b3c1', '17', 'true');

insert into inbox (consumer, message_id, sha256, settled_at)
overriding system value values
  ('ledger-service-PAYMENTS', 'pi_1/succeeded', E'\\xbf41cde6a324b9cea447f9c901fcc78feb070d884d654ff20ef95cf49dc86435', '2026-11-23 20:15:36.977646+00'),
  ('ledger-service-PAYMENTS', 'pi_1/total/5000', E'\\x37338f31ac5d00836478a77dba586b34505826c882168206875df885c636c994', '2026-11-23 20:15:37.001914+00'),
  ('ledger-service-PAYMENTS', 're-a-pi_1/named', E'\\x5bee0d011400c2ea6981a0c5a8ea5a8c1926e7e776403ffddbfcf289d8fe1184', '2026-11-23 20:15:37.001914+00'),
  ('ledger-service-PAYMENTS', 're-b-pi_1/failed', E'\\x36e28e93412bc93a7c1f4d10d155f52e6fea104999b397b0298354a610040de9', '2026-11-23 20:15:37.001914+00'),
  ('ledger-service-PAYMENTS', 're-b-pi_1/named', E'\\xf678a270f5ffebaaad6ad77b9c97992449ae5b22c66c60a9d073acb6072313fb', '2026-11-23 20:15:37.001914+00'),
  ('ledger-service-PAYMENTS', 'dp-pi_1/closed', E'\\x26cd529a6352ab74dc752b6f89f58c24cf8c6e980e70ca7880a19c4771d62012', '2026-11-23 20:15:37.028343+00'),
  ('ledger-service-PAYMENTS', 'dp-pi_1/opened', E'\\x7d2d9a37f97cee6dd61c66026a7597492b6c1c93d714c241afc83f133d15b5de', '2026-11-23 20:15:37.028343+00'),
  ('ledger-service-PAYMENTS', 'dp_2/closed', E'\\xbabdbb9d1f4686d17aed4bbf3a42ceb2b3723ad33d046181747d0d2fe7faf861', '2026-11-23 20:15:37.028343+00'),
  ('ledger-service-PAYMENTS', 'po_1/paid', E'\\x7f448374de99113a3da07f1984dde192a12ac43b64f44fcd1a19e235e8c0a965', '2026-11-23 20:15:37.028343+00'),
  ('ledger-service-PAYMENTS', 'po_2/failed', E'\\x91cf5e46ad00a876c71d7b618689848ef2b0464de2c410769ddf556721373b57', '2026-11-23 20:15:37.028343+00'),
  ('ledger-service-PAYMENTS', 're_2/named', E'\\xf0f771f5ff16dc5256971ffe16d8fb31a103f54d18e4cf3e7e3f95b845a65678', '2026-11-23 20:15:37.028343+00'),
  ('ledger-service-PAYMENTS', 'dp_3/opened', E'\\x5ccebf24450dc6f84bd9f1d63d9013c72f9e95e9432ed9d8aa9cc6e94bd1ad9b', '2026-11-23 20:15:37.039197+00'),
  ('ledger-service-PAYMENTS', 'pi_3/succeeded', E'\\xd2db5783f4ae2f3a922d3b54942438b1ac72d787200ae9f5fffd5cbb9abe739a', '2026-11-23 20:15:37.039197+00');

insert into journal (ledger_id, sequence, subject, data, traceparent)
overriding system value values
  ('1', '1', 'bursar.ledger.v1.LedgerCreated', E'\\x0a046d61696e10011a044d61696e220c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '2', 'bursar.ledger.v1.AssetRegistered', E'\\x0a046d61696e10021a070a035553441002220c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '3', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10031a120a0b6173736574733a63617368120355534420012a0c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '4', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10041a130a0c696e636f6d653a73616c6573120355534420042a0c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '5', 'bursar.ledger.v1.AssetRegistered', E'\\x0a046d61696e10051a070a034555521002220c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '6', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10061a120a0b6173736574733a63617368120345555220012a0c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '7', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10071a130a0c696e636f6d653a73616c6573120345555220042a0c08e8bd92d80610d8cba4bc03', NULL),
  ('1', '8', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10081a5d0a046d61696e10081a026b3022180a120a0b6173736574733a6361736812035553441001186422190a130a0c696e636f6d653a73616c65731203555344100218643a0c08e8bd92d80610f8e0b6c503420c08e8bd92d80610f8e0b6c503', NULL),
  ('1', '9', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10091a5f0a046d61696e10091a026b3122190a120a0b6173736574733a636173681203555344100118c801221a0a130a0c696e636f6d653a73616c65731203555344100218c8013a0c08e8bd92d80610f8e0b6c503420c08e8bd92d80610f8e0b6c503', NULL),
  ('1', '10', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e100a1a5f0a046d61696e100a1a026b3222190a120a0b6173736574733a636173681203555344100118ac02221a0a130a0c696e636f6d653a73616c65731203555344100218ac023a0c08e8bd92d80610f8e0b6c503420c08e8bd92d80610f8e0b6c503', NULL),
  ('1', '11', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e100b1a88010a046d61696e100b1a056e6f74656422180a120a0b6173736574733a6361736812035553441001182822190a130a0c696e636f6d653a73616c65731203555344100218282a06696e206d6179321f0a06636f75727365121561202271756f74656422205c207b636f757273657d3a0b0880a0f8fa0510959aef3a420c08e8bd92d8061098abf0c903', NULL),
  ('1', '12', 'bursar.ledger.v1.TransactionRefused', E'\\x0a046d61696e100c1a0a756e62616c616e63656422170808120a756e62616c616e6365642203555344300538062a0c08e8bd92d8061098abf0c903', NULL),
  ('1', '13', 'bursar.ledger.v1.TransactionRefused', E'\\x0a046d61696e100d1a076e6f77686572652227080612076e6f77686572651a150a0e6173736574733a6e6f7768657265120355534422035553442a0c08e8bd92d8061098abf0c903', NULL),
  ('1', '14', 'bursar.ledger.v1.TransactionRefused', E'\\x0a046d61696e100e1a0468756765222108091204687567651a120a0b6173736574733a63617368120355534422035553442a0c08e8bd92d8061098abf0c903', NULL),
  ('1', '15', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e100f1a610a046d61696e100f1a04756e646f22180a120a0b6173736574733a6361736812035553441002186422190a130a0c696e636f6d653a73616c65731203555344100118643a0c08e8bd92d8061098abf0c903420c08e8bd92d8061098abf0c9034808', NULL),
  ('1', '16', 'bursar.ledger.v1.TransactionRefused', E'\\x0a046d61696e10101a0a756e646f20616761696e2210080b120a756e646f20616761696e280f2a0c08e8bd92d8061098abf0c903', NULL),
  ('1', '17', 'bursar.ledger.v1.TransactionRefused', E'\\x0a046d61696e10111a0c756e646f206e6f7468696e672213080a120c756e646f206e6f7468696e6728e7072a0c08e8bd92d8061098abf0c903', NULL),
  ('1', '18', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10121a1d0a166173736574733a7374726970653a636c656172696e67120355534420012a0c08e8bd92d80610d0d3ead703', NULL),
  ('1', '19', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10131a1b0a14657870656e7365733a666565733a737472697065120355534420052a0c08e8bd92d80610d0d3ead703', NULL),
  ('1', '20', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10141ab1020a046d61696e10141a247061796d656e742f7374726970652f616363745f312f70695f312f73756363656564656422240a1d0a166173736574733a7374726970653a636c656172696e671203555344100118d04b22220a1b0a14657870656e7365733a666565733a7374726970651203555344100118c002221a0a130a0c696e636f6d653a73616c65731203555344100218904e2a077061796d656e74321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420c08e8bd92d80610d0d3ead70352300a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e20142a0355534430904e', NULL),
  ('1', '21', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10151a150a0e696e636f6d653a726566756e6473120355534420042a0b08e9bd92d80610f0c59604', NULL),
  ('1', '22', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10161a8a020a046d61696e10161a1e726566756e642f7374726970652f616363745f312f72652d612d70695f31221c0a150a0e696e636f6d653a726566756e64731203555344100118b81722240a1d0a166173736574733a7374726970653a636c656172696e671203555344100218b8172a06726566756e64321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610f0c5960452330a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e20162a0355534430904e38b817', NULL),
  ('1', '23', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10171a92020a046d61696e10171a26726566756e6465645f746f74616c2f7374726970652f616363745f312f70695f312f35303030221c0a150a0e696e636f6d653a726566756e64731203555344100118d00f22240a1d0a166173736574733a7374726970653a636c656172696e671203555344100218d00f2a06726566756e64321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610f0c5960452330a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e20172a0355534430904e388827', NULL),
  ('1', '24', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10181a98020a046d61696e10181a25726566756e642f7374726970652f616363745f312f72652d622d70695f312f6661696c6564221c0a150a0e696e636f6d653a726566756e64731203555344100218d00f22240a1d0a166173736574733a7374726970653a636c656172696e671203555344100118d00f2a0d726566756e64206661696c6564321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610f0c5960452330a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e20182a0355534430904e38b817', NULL),
  ('1', '25', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e10191a1d0a166173736574733a7374726970653a6469737075746564120355534420012a0b08e9bd92d80610b0c28b0f', NULL),
  ('1', '26', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e101a1aa3020a046d61696e101a1a24646973707574652f7374726970652f616363745f312f64702d70695f312f6f70656e656422240a1d0a166173736574733a7374726970653a64697370757465641203555344100118a01f22240a1d0a166173736574733a7374726970653a636c656172696e671203555344100218a01f2a0e64697370757465206f70656e6564321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610b0c28b0f52360a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e201a2a0355534430904e38b81740a01f', NULL),
  ('1', '27', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e101b1a180a11657870656e7365733a6469737075746573120355534420052a0b08e9bd92d80610b0c28b0f', NULL),
  ('1', '28', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e101c1a9c020a046d61696e101c1a24646973707574652f7374726970652f616363745f312f64702d70695f312f636c6f736564221f0a180a11657870656e7365733a64697370757465731203555344100118a01f22240a1d0a166173736574733a7374726970653a64697370757465641203555344100218a01f2a0c64697370757465206c6f7374321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610b0c28b0f52360a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e201c2a0355534430904e38b81748a01f', NULL),
  ('1', '29', 'bursar.ledger.v1.AccountOpened', E'\\x0a046d61696e101d1a120a0b6173736574733a62616e6b120355534420012a0b08e9bd92d80610b0c28b0f', NULL),
  ('1', '30', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e101e1ad5010a046d61696e101e1a1e7061796f75742f7374726970652f616363745f312f706f5f312f7061696422180a120a0b6173736574733a62616e6b12035553441001183222230a1d0a166173736574733a7374726970653a636c656172696e671203555344100218322a0b7061796f75742070616964321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610b0c28b0f', NULL),
  ('1', '31', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e101f1aa0020a046d61696e101f1a21646973707574652f7374726970652f616363745f312f64705f322f6f70656e656422230a1d0a166173736574733a7374726970653a646973707574656412035553441001183c22230a1d0a166173736574733a7374726970653a636c656172696e6712035553441002183c2a0e64697370757465206f70656e6564321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610b0c28b0f52380a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e201f2a0355534430904e38b817403c48a01f', NULL),
  ('1', '32', 'bursar.ledger.v1.TransactionPosted', E'\\x0a046d61696e10201a97020a046d61696e10201a21646973707574652f7374726970652f616363745f312f64705f322f636c6f736564221e0a180a11657870656e7365733a646973707574657312035553441001183c22230a1d0a166173736574733a7374726970653a646973707574656412035553441002183c2a0c64697370757465206c6f7374321a0a0b656e64706f696e745f6964120b7374726970652d6d61696e321a0a1170726f76696465725f6576656e745f696412056576745f3132120a0a776562686f6f6b5f6964120477685f313a060880e2cfaa06420b08e9bd92d80610b0c28b0f52360a127374726970652f616363745f312f70695f31120a6f726465722d70695f311a046d61696e20202a0355534430904e38b81748dc1f', NULL);

insert into ledger (id, ledger_code, display_name, head_sequence, head_hash, create_time, recorded_time)
overriding system value values
  ('1', 'main', 'Main', '32', E'\\x8ab996e16df92d7730175c42d318a024a6b42a78b8b542450315a240fce4bcaf', '2026-11-23 20:15:36.931735+00', '2026-11-23 20:15:37.031646+00');

insert into parked (parked_id, consumer, message_id, waits_for, subject, stream, stream_sequence, data, headers, parked_at)
overriding system value values
  ('1', 'ledger-service-PAYMENTS', 're_2/named', 'payment/stripe/acct_1/pi_2', 'bursar.payments.v1.PaymentRefunded', 'PAYMENTS', '11', E'\\x0a046d61696e12127374726970652f616363745f312f70695f3222127374726970652f616363745f312f72655f322a07081e12035553443a060880e2cfaa0642460a0477685f31120b7374726970652d6d61696e1a056576745f3122200000000000000000000000000000000000000000000000000000000000000000280232060880e2cfaa06', '[["ce-specversion", "1.0"], ["ce-type", "bursar.payments.v1.PaymentRefunded"], ["ce-dataschema", "bursar:bursar.payments.v1.PaymentRefunded;version=1;sha256=610143ec1368d30f8e81a6f32fef9de1b18ae8bef71829f037bcd032506ed32d"], ["content-type", "application/protobuf"], ["ce-id", "re_2/named"], ["ce-source", "webhook-gateway"], ["ce-subject", "stripe/acct_1/pi_2"], ["ce-partitionkey", "stripe/acct_1/pi_2"], ["ce-time", "2026-11-23T20:15:37.026Z"], ["Nats-Msg-Id", "re_2/named"], ["Nats-Expected-Stream", "PAYMENTS"]]', '2026-11-23 20:15:37.028343+00'),
  ('2', 'ledger-service-PAYMENTS', 'dp_3/opened', 'payment/stripe/acct_1/pi_2', 'bursar.payments.v1.DisputeOpened', 'PAYMENTS', '12', E'\\x0a046d61696e12127374726970652f616363745f312f64705f331a127374726970652f616363745f312f70695f322a07081412035553443a060880e2cfaa0642460a0477685f31120b7374726970652d6d61696e1a056576745f3122200000000000000000000000000000000000000000000000000000000000000000280232060880e2cfaa06', '[["ce-specversion", "1.0"], ["ce-type", "bursar.payments.v1.DisputeOpened"], ["ce-dataschema", "bursar:bursar.payments.v1.DisputeOpened;version=1;sha256=dcf32acd8832cf3695eea7611c091c63ec69783521e9835b4fdf0cc8f554625b"], ["content-type", "application/protobuf"], ["ce-id", "dp_3/opened"], ["ce-source", "webhook-gateway"], ["ce-subject", "stripe/acct_1/pi_2"], ["ce-partitionkey", "stripe/acct_1/pi_2"], ["ce-time", "2026-11-23T20:15:37.027Z"], ["Nats-Msg-Id", "dp_3/opened"], ["Nats-Expected-Stream", "PAYMENTS"]]', '2026-11-23 20:15:37.039197+00');

insert into payment (ledger_id, payment_id, order_id, currency_code, paid_minor, refunds_named_minor, refunds_stated_minor, refunds_failed_minor, disputed_minor, lost_minor, first_sequence, sequence)
overriding system value values
  ('1', 'stripe/acct_1/pi_1', 'order-pi_1', 'USD', '10000', '5000', '5000', '2000', '0', '4060', '20', '32');

insert into relay_position (ledger_id, published_sequence)
overriding system value values
  ('1', '9');

insert into transaction (ledger_id, sequence, legs, effective_time, recorded_time, reverses_sequence, payment_sequence)
overriding system value values
  ('1', '8', '2', '2026-11-23 20:15:36.950907+00', '2026-11-23 20:15:36.950907+00', NULL, NULL),
  ('1', '9', '2', '2026-11-23 20:15:36.950907+00', '2026-11-23 20:15:36.950907+00', NULL, NULL),
  ('1', '10', '2', '2026-11-23 20:15:36.950907+00', '2026-11-23 20:15:36.950907+00', NULL, NULL),
  ('1', '11', '2', '2020-09-13 12:26:40.123456+00', '2026-11-23 20:15:36.960239+00', NULL, NULL),
  ('1', '15', '2', '2026-11-23 20:15:36.960239+00', '2026-11-23 20:15:36.960239+00', '8', NULL),
  ('1', '20', '3', '2023-11-14 22:13:20+00', '2026-11-23 20:15:36.989506+00', NULL, '20'),
  ('1', '22', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.008758+00', NULL, '20'),
  ('1', '23', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.008758+00', NULL, '20'),
  ('1', '24', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.008758+00', NULL, '20'),
  ('1', '26', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.031646+00', NULL, '20'),
  ('1', '28', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.031646+00', NULL, '20'),
  ('1', '30', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.031646+00', NULL, NULL),
  ('1', '31', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.031646+00', NULL, '20'),
  ('1', '32', '2', '2023-11-14 22:13:20+00', '2026-11-23 20:15:37.031646+00', NULL, '20');

select setval(pg_get_serial_sequence('ledger', 'id'), (select max(id) from ledger));
select setval(pg_get_serial_sequence('account', 'account_id'), (select max(account_id) from account));
select setval(pg_get_serial_sequence('parked', 'parked_id'), (select max(parked_id) from parked));
select setval(pg_get_serial_sequence('dead_letter', 'dead_letter_id'),
  (select max(dead_letter_id) from dead_letter));
