-- A retail bank. Money is whole cents of the euro. Balances, held amounts and savings are kept by triggers,
-- so a balance always equals the sum of its postings.

CREATE TABLE branches (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  street TEXT NOT NULL,
  city TEXT NOT NULL,
  opening_hours TEXT NOT NULL
) STRICT;

-- Everybody who can sign in: customers and staff. The two limits are what one person may grant alone.
CREATE TABLE people (
  id INTEGER PRIMARY KEY,
  full_name TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('customer', 'service_agent', 'team_lead')),
  email TEXT NOT NULL UNIQUE,
  phone TEXT NOT NULL,
  branch_id INTEGER NOT NULL REFERENCES branches(id),
  joined_on TEXT NOT NULL,
  fee_waiver_limit_cents INTEGER NOT NULL DEFAULT 0 CHECK (fee_waiver_limit_cents >= 0),
  dispute_limit_cents INTEGER NOT NULL DEFAULT 0 CHECK (dispute_limit_cents >= 0)
) STRICT;

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  account_number TEXT NOT NULL UNIQUE CHECK (length(account_number) = 10),
  nickname TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('current', 'savings', 'fixed_term')),
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed')),
  opened_on TEXT NOT NULL,
  overdraft_limit_cents INTEGER NOT NULL DEFAULT 0 CHECK (overdraft_limit_cents >= 0),
  daily_limit_cents INTEGER NOT NULL CHECK (daily_limit_cents > 0),
  annual_rate_bp INTEGER NOT NULL DEFAULT 0 CHECK (annual_rate_bp >= 0),
  locked_until TEXT,
  balance_cents INTEGER NOT NULL DEFAULT 0,
  held_cents INTEGER NOT NULL DEFAULT 0 CHECK (held_cents >= 0),
  CHECK (balance_cents + overdraft_limit_cents >= 0),
  CHECK (kind = 'current' OR overdraft_limit_cents = 0),
  CHECK ((kind = 'fixed_term') = (locked_until IS NOT NULL))
) STRICT;

CREATE TABLE account_holders (
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  person_id INTEGER NOT NULL REFERENCES people(id),
  role TEXT NOT NULL CHECK (role IN ('owner', 'joint')),
  PRIMARY KEY (account_id, person_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX account_holders_by_person ON account_holders(person_id);

CREATE TABLE cards (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  person_id INTEGER NOT NULL REFERENCES people(id),
  kind TEXT NOT NULL CHECK (kind IN ('debit', 'virtual')),
  last4 TEXT NOT NULL CHECK (length(last4) = 4),
  status TEXT NOT NULL CHECK (status IN ('active', 'frozen', 'blocked', 'expired')),
  expires_on TEXT NOT NULL
) STRICT;
CREATE INDEX cards_by_account ON cards(account_id);

CREATE TABLE payees (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  person_id INTEGER NOT NULL REFERENCES people(id),
  name TEXT NOT NULL,
  account_number TEXT NOT NULL CHECK (length(account_number) = 10),
  added_at TEXT NOT NULL,
  UNIQUE (person_id, account_number)
) STRICT;

CREATE TABLE standing_orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  payee_id INTEGER NOT NULL REFERENCES payees(id),
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  frequency TEXT NOT NULL CHECK (frequency IN ('weekly', 'monthly')),
  next_run_on TEXT NOT NULL,
  ends_on TEXT,
  reference TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'ended'))
) STRICT;
CREATE INDEX standing_orders_by_account ON standing_orders(account_id);

-- Payments to payees and moves between one's own accounts; the runs of a standing order too.
CREATE TABLE transfers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  payee_id INTEGER REFERENCES payees(id),
  to_account_id INTEGER REFERENCES accounts(id),
  standing_order_id INTEGER REFERENCES standing_orders(id),
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  reference TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'held', 'completed', 'cancelled', 'skipped')),
  due_on TEXT NOT NULL,
  created_at TEXT NOT NULL,
  CHECK ((payee_id IS NULL) <> (to_account_id IS NULL)),
  CHECK (status <> 'skipped' OR standing_order_id IS NOT NULL)
) STRICT;
CREATE INDEX transfers_by_account ON transfers(account_id, due_on);
CREATE INDEX transfers_by_payee ON transfers(payee_id);

-- Savings goals are pots beside an account: money in a goal has left the account's balance.
CREATE TABLE goals (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  name TEXT NOT NULL,
  target_cents INTEGER NOT NULL CHECK (target_cents > 0),
  saved_cents INTEGER NOT NULL DEFAULT 0 CHECK (saved_cents >= 0),
  target_on TEXT,
  locked_until TEXT,
  CHECK (saved_cents <= target_cents)
) STRICT;
CREATE INDEX goals_by_account ON goals(account_id);

-- The postings. Positive amounts are money in.
CREATE TABLE transactions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  booked_at TEXT NOT NULL,
  amount_cents INTEGER NOT NULL CHECK (amount_cents <> 0),
  kind TEXT NOT NULL CHECK (kind IN ('opening', 'salary', 'card', 'cash', 'transfer', 'bill', 'goal', 'loan', 'fee', 'interest', 'refund')),
  category TEXT NOT NULL CHECK (category IN ('income', 'housing', 'utilities', 'groceries', 'eating_out', 'transport', 'shopping', 'health', 'leisure', 'travel', 'cash', 'transfers', 'savings', 'bank')),
  counterparty TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  card_id INTEGER REFERENCES cards(id),
  transfer_id INTEGER REFERENCES transfers(id),
  goal_id INTEGER REFERENCES goals(id),
  rounded_up INTEGER NOT NULL DEFAULT 0 CHECK (rounded_up IN (0, 1)),
  CHECK (kind <> 'card' OR card_id IS NOT NULL),
  CHECK ((kind = 'goal') = (goal_id IS NOT NULL))
) STRICT;
CREATE INDEX transactions_by_account ON transactions(account_id, booked_at);
CREATE INDEX transactions_by_transfer ON transactions(transfer_id);

CREATE TRIGGER transactions_move_balance AFTER INSERT ON transactions BEGIN
  UPDATE accounts SET balance_cents = balance_cents + NEW.amount_cents WHERE id = NEW.account_id;
END;
CREATE TRIGGER transactions_fill_goal AFTER INSERT ON transactions WHEN NEW.goal_id IS NOT NULL BEGIN
  UPDATE goals SET saved_cents = saved_cents - NEW.amount_cents WHERE id = NEW.goal_id;
END;

-- Card authorisations that are not booked yet.
CREATE TABLE holds (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  card_id INTEGER NOT NULL REFERENCES cards(id),
  merchant TEXT NOT NULL,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  placed_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'released'))
) STRICT;
CREATE INDEX holds_by_account ON holds(account_id);

CREATE TRIGGER holds_add AFTER INSERT ON holds WHEN NEW.status = 'pending' BEGIN
  UPDATE accounts SET held_cents = held_cents + NEW.amount_cents WHERE id = NEW.account_id;
END;
CREATE TRIGGER holds_release AFTER UPDATE OF status ON holds WHEN OLD.status = 'pending' AND NEW.status = 'released' BEGIN
  UPDATE accounts SET held_cents = held_cents - NEW.amount_cents WHERE id = NEW.account_id;
END;

CREATE TABLE billers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  category TEXT NOT NULL CHECK (category IN ('housing', 'utilities', 'health', 'leisure', 'transport'))
) STRICT;

CREATE TABLE bills (
  id INTEGER PRIMARY KEY,
  person_id INTEGER NOT NULL REFERENCES people(id),
  biller_id INTEGER NOT NULL REFERENCES billers(id),
  description TEXT NOT NULL,
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  issued_on TEXT NOT NULL,
  due_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'paid')),
  paid_transaction_id INTEGER UNIQUE REFERENCES transactions(id),
  CHECK (due_on >= issued_on),
  CHECK ((status = 'paid') = (paid_transaction_id IS NOT NULL))
) STRICT;
CREATE INDEX bills_by_person ON bills(person_id, status);

CREATE TABLE statements (
  id INTEGER PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  period_start TEXT NOT NULL,
  period_end TEXT NOT NULL,
  opening_balance_cents INTEGER NOT NULL,
  closing_balance_cents INTEGER NOT NULL,
  UNIQUE (account_id, period_start),
  CHECK (period_end > period_start)
) STRICT;

CREATE TABLE fees (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  kind TEXT NOT NULL CHECK (kind IN ('overdraft', 'late_payment', 'foreign_payment', 'card_replacement', 'paper_statement')),
  amount_cents INTEGER NOT NULL CHECK (amount_cents > 0),
  charged_on TEXT NOT NULL,
  transaction_id INTEGER NOT NULL UNIQUE REFERENCES transactions(id),
  status TEXT NOT NULL CHECK (status IN ('charged', 'waived')),
  waived_on TEXT,
  waived_by_id INTEGER REFERENCES people(id),
  waiver_reason TEXT CHECK (waiver_reason IN ('goodwill', 'bank_error')),
  refund_transaction_id INTEGER UNIQUE REFERENCES transactions(id),
  CHECK ((status = 'waived') = (refund_transaction_id IS NOT NULL AND waived_on IS NOT NULL AND waived_by_id IS NOT NULL AND waiver_reason IS NOT NULL))
) STRICT;
CREATE INDEX fees_by_account ON fees(account_id, charged_on);

CREATE TABLE disputes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  transaction_id INTEGER NOT NULL UNIQUE REFERENCES transactions(id),
  person_id INTEGER NOT NULL REFERENCES people(id),
  reason TEXT NOT NULL CHECK (reason IN ('duplicate', 'not_received', 'wrong_amount', 'unrecognised')),
  note TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'upheld', 'rejected')),
  opened_at TEXT NOT NULL,
  decided_on TEXT,
  decided_by_id INTEGER REFERENCES people(id),
  refund_transaction_id INTEGER UNIQUE REFERENCES transactions(id),
  CHECK ((status = 'open') = (decided_on IS NULL)),
  CHECK ((status = 'open') = (decided_by_id IS NULL)),
  CHECK ((status = 'upheld') = (refund_transaction_id IS NOT NULL))
) STRICT;
CREATE INDEX disputes_by_status ON disputes(status, opened_at);

CREATE TABLE loans (
  id INTEGER PRIMARY KEY,
  person_id INTEGER NOT NULL REFERENCES people(id),
  account_id INTEGER NOT NULL REFERENCES accounts(id),
  name TEXT NOT NULL,
  principal_cents INTEGER NOT NULL CHECK (principal_cents > 0),
  annual_rate_bp INTEGER NOT NULL CHECK (annual_rate_bp >= 0),
  started_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('running', 'repaid'))
) STRICT;
CREATE INDEX loans_by_person ON loans(person_id);

CREATE TABLE loan_instalments (
  loan_id INTEGER NOT NULL REFERENCES loans(id),
  number INTEGER NOT NULL CHECK (number > 0),
  due_on TEXT NOT NULL,
  principal_cents INTEGER NOT NULL CHECK (principal_cents > 0),
  interest_cents INTEGER NOT NULL CHECK (interest_cents >= 0),
  status TEXT NOT NULL CHECK (status IN ('due', 'paid')),
  paid_transaction_id INTEGER REFERENCES transactions(id),
  PRIMARY KEY (loan_id, number),
  CHECK ((status = 'paid') = (paid_transaction_id IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  person_id INTEGER NOT NULL REFERENCES people(id),
  direction TEXT NOT NULL CHECK (direction IN ('to_bank', 'to_customer')),
  topic TEXT NOT NULL CHECK (topic IN ('general', 'payments', 'cards', 'fees', 'disputes', 'loans')),
  body TEXT NOT NULL,
  sent_at TEXT NOT NULL,
  staff_id INTEGER REFERENCES people(id),
  reply_to_id INTEGER REFERENCES messages(id),
  CHECK (staff_id IS NULL OR direction = 'to_customer')
) STRICT;
CREATE INDEX messages_by_person ON messages(person_id, sent_at);
CREATE INDEX messages_by_reply ON messages(reply_to_id);

-- Times that advisers offer; free while person_id is null.
CREATE TABLE appointments (
  id INTEGER PRIMARY KEY,
  branch_id INTEGER NOT NULL REFERENCES branches(id),
  adviser TEXT NOT NULL,
  topic TEXT NOT NULL CHECK (topic IN ('mortgage', 'loan', 'savings', 'account')),
  starts_at TEXT NOT NULL,
  person_id INTEGER REFERENCES people(id),
  UNIQUE (branch_id, adviser, starts_at)
) STRICT;
CREATE INDEX appointments_by_start ON appointments(starts_at);
