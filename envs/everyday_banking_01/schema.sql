CREATE TABLE customers (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  customer_since TEXT NOT NULL
) STRICT;

CREATE TABLE accounts (
  id TEXT NOT NULL PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers(id),
  nickname TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('checking', 'savings')),
  number_end TEXT NOT NULL,
  balance_cents INTEGER NOT NULL,
  minimum_cents INTEGER NOT NULL,
  cover_account_id TEXT REFERENCES accounts(id),
  opened_on TEXT NOT NULL,
  UNIQUE (customer_id, nickname)
) STRICT;
CREATE INDEX accounts_by_customer_id ON accounts(customer_id);
CREATE INDEX accounts_by_cover_account_id ON accounts(cover_account_id);

CREATE TABLE issued_checks (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts(id),
  number INTEGER NOT NULL,
  payee TEXT NOT NULL,
  amount_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('outstanding', 'cleared', 'stopped')),
  written_on TEXT NOT NULL,
  cleared_on TEXT,
  UNIQUE (account_id, number)
) STRICT;
CREATE INDEX issued_checks_by_account_id ON issued_checks(account_id);

CREATE TABLE stop_payments (
  id TEXT NOT NULL PRIMARY KEY,
  issued_check_id TEXT NOT NULL UNIQUE REFERENCES issued_checks(id),
  reason TEXT NOT NULL CHECK (reason IN ('lost', 'stolen', 'wrong_amount', 'goods_not_received')),
  placed_on TEXT NOT NULL,
  expires_on TEXT NOT NULL,
  renewals INTEGER NOT NULL
) STRICT;

CREATE TABLE postings (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts(id),
  booked_on TEXT NOT NULL,
  amount_cents INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('opening', 'card', 'check', 'transfer', 'deposit', 'fee', 'interest', 'cashback', 'wire')),
  counterparty TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('groceries', 'dining', 'travel', 'household', 'health', 'leisure', 'income', 'bank'))
) STRICT;
CREATE INDEX postings_by_account_id ON postings(account_id);

CREATE TABLE debit_cards (
  id TEXT NOT NULL PRIMARY KEY,
  account_id TEXT NOT NULL REFERENCES accounts(id),
  last4 TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('active', 'locked', 'blocked', 'replaced')),
  blocked_for TEXT CHECK (blocked_for IN ('lost', 'stolen', 'damaged')),
  daily_limit_cents INTEGER NOT NULL,
  expires_on TEXT NOT NULL
) STRICT;
CREATE INDEX debit_cards_by_account_id ON debit_cards(account_id);

CREATE TABLE travel_notices (
  id TEXT NOT NULL PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers(id),
  country TEXT NOT NULL,
  first_day TEXT NOT NULL,
  last_day TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('filed', 'cancelled'))
) STRICT;
CREATE INDEX travel_notices_by_customer_id ON travel_notices(customer_id);

CREATE TABLE merchant_offers (
  id TEXT NOT NULL PRIMARY KEY,
  merchant TEXT NOT NULL UNIQUE,
  category TEXT NOT NULL CHECK (category IN ('groceries', 'dining', 'travel', 'household', 'health', 'leisure')),
  percent_back INTEGER NOT NULL,
  cap_cents INTEGER NOT NULL,
  ends_on TEXT NOT NULL
) STRICT;

CREATE TABLE offer_activations (
  id TEXT NOT NULL PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers(id),
  merchant_offer_id TEXT NOT NULL REFERENCES merchant_offers(id),
  activated_on TEXT NOT NULL,
  earned_cents INTEGER NOT NULL,
  UNIQUE (customer_id, merchant_offer_id)
) STRICT;
CREATE INDEX offer_activations_by_customer_id ON offer_activations(customer_id);
CREATE INDEX offer_activations_by_merchant_offer_id ON offer_activations(merchant_offer_id);

CREATE TABLE reward_entries (
  id TEXT NOT NULL PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers(id),
  points INTEGER NOT NULL,
  note TEXT NOT NULL,
  booked_on TEXT NOT NULL
) STRICT;
CREATE INDEX reward_entries_by_customer_id ON reward_entries(customer_id);

CREATE TABLE wire_recipients (
  id TEXT NOT NULL PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers(id),
  name TEXT NOT NULL,
  country TEXT NOT NULL,
  account_end TEXT NOT NULL,
  added_on TEXT NOT NULL,
  UNIQUE (customer_id, name)
) STRICT;
CREATE INDEX wire_recipients_by_customer_id ON wire_recipients(customer_id);

CREATE TABLE wires (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  account_id TEXT NOT NULL REFERENCES accounts(id),
  wire_recipient_id TEXT NOT NULL REFERENCES wire_recipients(id),
  amount_cents INTEGER NOT NULL,
  fee_cents INTEGER NOT NULL,
  send_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'sent', 'cancelled'))
) STRICT;
CREATE INDEX wires_by_account_id ON wires(account_id);
CREATE INDEX wires_by_wire_recipient_id ON wires(wire_recipient_id);

CREATE TABLE check_deposits (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  account_id TEXT NOT NULL REFERENCES accounts(id),
  drawn_by TEXT NOT NULL,
  amount_cents INTEGER NOT NULL,
  deposited_on TEXT NOT NULL,
  available_on TEXT NOT NULL
) STRICT;
CREATE INDEX check_deposits_by_account_id ON check_deposits(account_id);

CREATE TABLE fee_refunds (
  id TEXT NOT NULL PRIMARY KEY,
  customer_id TEXT NOT NULL REFERENCES customers(id),
  posting_id TEXT NOT NULL UNIQUE REFERENCES postings(id),
  asked_on TEXT NOT NULL,
  amount_cents INTEGER NOT NULL
) STRICT;
CREATE INDEX fee_refunds_by_customer_id ON fee_refunds(customer_id);
