-- People: customers and staff. Everyone an episode can act as is in this table.
CREATE TABLE people (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  full_name  TEXT NOT NULL,
  email      TEXT NOT NULL UNIQUE,
  phone      TEXT,
  role       TEXT NOT NULL DEFAULT 'customer' CHECK (role IN ('customer', 'support', 'manager')),
  tier       TEXT NOT NULL DEFAULT 'standard' CHECK (tier IN ('standard', 'plus')),
  joined_on  TEXT NOT NULL
) STRICT;

CREATE TABLE addresses (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id  INTEGER NOT NULL REFERENCES people(id),
  label        TEXT NOT NULL,
  recipient    TEXT NOT NULL,
  street       TEXT NOT NULL,
  city         TEXT NOT NULL,
  region       TEXT NOT NULL,
  postal_code  TEXT NOT NULL,
  is_default   INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX addresses_label ON addresses(customer_id, lower(label));
CREATE UNIQUE INDEX addresses_one_default ON addresses(customer_id) WHERE is_default = 1;

CREATE TABLE payment_methods (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id    INTEGER NOT NULL REFERENCES people(id),
  nickname       TEXT NOT NULL,
  kind           TEXT NOT NULL CHECK (kind IN ('credit_card', 'debit_card', 'bank_debit')),
  last4          TEXT NOT NULL CHECK (length(last4) = 4),
  expires_month  TEXT,                              -- 'YYYY-MM', last month in which it can be charged; NULL for bank debit
  limit_cents    INTEGER CHECK (limit_cents > 0),   -- the customer's own limit for one order
  is_default     INTEGER NOT NULL DEFAULT 0 CHECK (is_default IN (0, 1))
) STRICT;
CREATE INDEX payment_methods_customer ON payment_methods(customer_id);
CREATE UNIQUE INDEX payment_methods_one_default ON payment_methods(customer_id) WHERE is_default = 1;

-- Catalogue
CREATE TABLE categories (
  id         INTEGER PRIMARY KEY,
  parent_id  INTEGER REFERENCES categories(id),
  slug       TEXT NOT NULL UNIQUE,
  name       TEXT NOT NULL
) STRICT;

CREATE TABLE products (
  id             INTEGER PRIMARY KEY,
  category_id    INTEGER NOT NULL REFERENCES categories(id),
  name           TEXT NOT NULL UNIQUE,
  brand          TEXT NOT NULL,
  description    TEXT NOT NULL,
  warranty_months INTEGER NOT NULL CHECK (warranty_months >= 0),
  is_active      INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),      -- 0 = discontinued
  is_returnable  INTEGER NOT NULL DEFAULT 1 CHECK (is_returnable IN (0, 1)),  -- 0 = only if the shop is at fault
  launched_on    TEXT NOT NULL
) STRICT;
CREATE INDEX products_category ON products(category_id);

CREATE TABLE variants (
  id             INTEGER PRIMARY KEY,
  product_id     INTEGER NOT NULL REFERENCES products(id),
  sku            TEXT NOT NULL UNIQUE,
  color          TEXT NOT NULL,
  size           TEXT,
  price_cents    INTEGER NOT NULL CHECK (price_cents > 0),
  sale_cents     INTEGER CHECK (sale_cents > 0 AND sale_cents < price_cents),
  weight_grams   INTEGER NOT NULL CHECK (weight_grams > 0),
  on_hand        INTEGER NOT NULL CHECK (on_hand >= 0),
  restock_on     TEXT,
  max_per_order  INTEGER NOT NULL DEFAULT 10 CHECK (max_per_order BETWEEN 1 AND 50)
) STRICT;
CREATE INDEX variants_product ON variants(product_id);

CREATE VIRTUAL TABLE product_search USING fts5(name, brand, description, keywords, tokenize = 'porter unicode61');

CREATE TABLE reviews (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  product_id   INTEGER NOT NULL REFERENCES products(id),
  customer_id  INTEGER NOT NULL REFERENCES people(id),
  author_name  TEXT NOT NULL,
  rating       INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 5),
  title        TEXT NOT NULL,
  body         TEXT NOT NULL,
  created_at   TEXT NOT NULL,
  UNIQUE (product_id, customer_id)
) STRICT;

-- Buying
CREATE TABLE shipping_methods (
  id                INTEGER PRIMARY KEY,
  code              TEXT NOT NULL UNIQUE CHECK (code IN ('standard', 'express', 'next_day', 'freight')),
  name              TEXT NOT NULL,
  carrier           TEXT NOT NULL CHECK (carrier IN ('post', 'courier', 'freight_line')),
  price_cents       INTEGER NOT NULL CHECK (price_cents >= 0),
  free_from_cents   INTEGER,              -- free when the items after discount reach this
  days              INTEGER NOT NULL CHECK (days > 0),   -- calendar days from the order to the promised arrival
  max_weight_grams  INTEGER
) STRICT;

CREATE TABLE coupons (
  id                  INTEGER PRIMARY KEY,
  code                TEXT NOT NULL UNIQUE,
  description         TEXT NOT NULL,
  percent_off         INTEGER NOT NULL CHECK (percent_off BETWEEN 0 AND 50),
  free_shipping       INTEGER NOT NULL DEFAULT 0 CHECK (free_shipping IN (0, 1)),
  min_subtotal_cents  INTEGER NOT NULL DEFAULT 0 CHECK (min_subtotal_cents >= 0),
  excludes_sale       INTEGER NOT NULL DEFAULT 0 CHECK (excludes_sale IN (0, 1)),
  category_id         INTEGER REFERENCES categories(id),
  plus_only           INTEGER NOT NULL DEFAULT 0 CHECK (plus_only IN (0, 1)),
  first_order_only    INTEGER NOT NULL DEFAULT 0 CHECK (first_order_only IN (0, 1)),
  once_per_customer   INTEGER NOT NULL DEFAULT 0 CHECK (once_per_customer IN (0, 1)),
  is_listed           INTEGER NOT NULL DEFAULT 1 CHECK (is_listed IN (0, 1)),
  starts_on           TEXT NOT NULL,
  ends_on             TEXT NOT NULL,
  CHECK (starts_on <= ends_on)
) STRICT;

CREATE TABLE cart_lines (
  customer_id  INTEGER NOT NULL REFERENCES people(id),
  variant_id   INTEGER NOT NULL REFERENCES variants(id),
  quantity     INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 50),
  added_at     TEXT NOT NULL,
  PRIMARY KEY (customer_id, variant_id)
) STRICT;

CREATE TABLE wishlist_items (
  customer_id  INTEGER NOT NULL REFERENCES people(id),
  variant_id   INTEGER NOT NULL REFERENCES variants(id),
  priority     TEXT NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high')),
  added_at     TEXT NOT NULL,
  PRIMARY KEY (customer_id, variant_id)
) STRICT;

CREATE TABLE orders (
  id                  INTEGER PRIMARY KEY AUTOINCREMENT,
  number              TEXT NOT NULL UNIQUE,
  customer_id         INTEGER NOT NULL REFERENCES people(id),
  address_id          INTEGER NOT NULL REFERENCES addresses(id),
  payment_method_id   INTEGER NOT NULL REFERENCES payment_methods(id),
  shipping_method_id  INTEGER NOT NULL REFERENCES shipping_methods(id),
  coupon_id           INTEGER REFERENCES coupons(id),
  status              TEXT NOT NULL CHECK (status IN ('placed', 'shipped', 'delivered', 'cancelled')),
  subtotal_cents      INTEGER NOT NULL CHECK (subtotal_cents > 0),
  discount_cents      INTEGER NOT NULL DEFAULT 0 CHECK (discount_cents BETWEEN 0 AND subtotal_cents),
  shipping_cents      INTEGER NOT NULL CHECK (shipping_cents >= 0),
  total_cents         INTEGER NOT NULL,
  credit_cents        INTEGER NOT NULL DEFAULT 0,        -- part of the total paid with store credit
  placed_at           TEXT NOT NULL,
  promised_on         TEXT NOT NULL,
  cancelled_at        TEXT,
  cancel_reason       TEXT CHECK (cancel_reason IN ('changed_mind', 'ordered_by_mistake', 'found_cheaper', 'arrives_too_late', 'other')),
  CHECK (total_cents = subtotal_cents - discount_cents + shipping_cents),
  CHECK (credit_cents BETWEEN 0 AND total_cents),
  CHECK ((status = 'cancelled') = (cancelled_at IS NOT NULL)),
  CHECK ((cancelled_at IS NULL) = (cancel_reason IS NULL))
) STRICT;
CREATE INDEX orders_customer ON orders(customer_id, placed_at);
CREATE INDEX orders_status ON orders(status, placed_at);

CREATE TABLE order_lines (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  order_id        INTEGER NOT NULL REFERENCES orders(id),
  variant_id      INTEGER NOT NULL REFERENCES variants(id),
  quantity        INTEGER NOT NULL CHECK (quantity > 0),
  unit_cents      INTEGER NOT NULL CHECK (unit_cents > 0),
  discount_cents  INTEGER NOT NULL DEFAULT 0 CHECK (discount_cents >= 0),   -- the coupon's share of this line
  UNIQUE (order_id, variant_id)
) STRICT;
CREATE INDEX order_lines_variant ON order_lines(variant_id);

CREATE TABLE shipments (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  order_id       INTEGER NOT NULL UNIQUE REFERENCES orders(id),
  carrier        TEXT NOT NULL CHECK (carrier IN ('post', 'courier', 'freight_line')),
  tracking_code  TEXT NOT NULL UNIQUE,
  shipped_at     TEXT NOT NULL,
  delivered_at   TEXT,
  CHECK (delivered_at IS NULL OR delivered_at > shipped_at)
) STRICT;

-- After the sale
CREATE TABLE returns (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id      INTEGER NOT NULL REFERENCES people(id),
  order_line_id    INTEGER NOT NULL REFERENCES order_lines(id),
  quantity         INTEGER NOT NULL CHECK (quantity > 0),
  reason           TEXT NOT NULL CHECK (reason IN ('changed_mind', 'does_not_fit', 'defective', 'damaged_in_transit', 'wrong_item')),
  refund_to        TEXT NOT NULL CHECK (refund_to IN ('original_payment', 'store_credit')),
  status           TEXT NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'approved', 'rejected', 'refunded')),
  fee_cents        INTEGER NOT NULL CHECK (fee_cents >= 0),
  refund_cents     INTEGER NOT NULL CHECK (refund_cents > 0),
  requested_at     TEXT NOT NULL,
  decided_by       INTEGER REFERENCES people(id),
  decided_at       TEXT,
  decision_note    TEXT,
  received_at      TEXT,
  item_condition   TEXT CHECK (item_condition IN ('resellable', 'unsellable')),
  CHECK ((status = 'requested') = (decided_by IS NULL)),
  CHECK ((status = 'refunded') = (received_at IS NOT NULL))
) STRICT;
CREATE INDEX returns_customer ON returns(customer_id);
CREATE INDEX returns_line ON returns(order_line_id);
CREATE INDEX returns_status ON returns(status, requested_at);

CREATE TABLE refunds (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id   INTEGER NOT NULL REFERENCES people(id),
  order_id      INTEGER NOT NULL REFERENCES orders(id),
  return_id     INTEGER UNIQUE REFERENCES returns(id),   -- NULL: the order was cancelled
  amount_cents  INTEGER NOT NULL CHECK (amount_cents > 0),
  destination   TEXT NOT NULL CHECK (destination IN ('original_payment', 'store_credit')),
  created_at    TEXT NOT NULL
) STRICT;
CREATE INDEX refunds_order ON refunds(order_id);

CREATE TABLE gift_cards (
  id            INTEGER PRIMARY KEY,
  code          TEXT NOT NULL UNIQUE,
  amount_cents  INTEGER NOT NULL CHECK (amount_cents > 0),
  expires_on    TEXT NOT NULL,
  redeemed_by   INTEGER REFERENCES people(id),
  redeemed_at   TEXT,
  CHECK ((redeemed_by IS NULL) = (redeemed_at IS NULL))
) STRICT;

-- Store credit is a ledger: a customer's balance is the sum of their entries.
CREATE TABLE credit_entries (
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id   INTEGER NOT NULL REFERENCES people(id),
  kind          TEXT NOT NULL CHECK (kind IN ('gift_card', 'goodwill', 'refund', 'spent')),
  amount_cents  INTEGER NOT NULL CHECK (amount_cents <> 0),
  order_id      INTEGER REFERENCES orders(id),
  issued_by     INTEGER REFERENCES people(id),
  created_at    TEXT NOT NULL,
  CHECK ((kind = 'spent') = (amount_cents < 0)),
  CHECK ((kind = 'goodwill') = (issued_by IS NOT NULL))
) STRICT;
CREATE INDEX credit_entries_customer ON credit_entries(customer_id);
CREATE INDEX credit_entries_order ON credit_entries(order_id);

CREATE TABLE tickets (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  customer_id  INTEGER NOT NULL REFERENCES people(id),
  order_id     INTEGER REFERENCES orders(id),
  subject      TEXT NOT NULL,
  priority     TEXT NOT NULL DEFAULT 'normal' CHECK (priority IN ('normal', 'urgent')),
  status       TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'waiting_on_customer', 'resolved')),
  assigned_to  INTEGER REFERENCES people(id),
  resolution   TEXT CHECK (resolution IN ('answered', 'credited', 'refunded', 'replaced', 'no_action')),
  opened_at    TEXT NOT NULL,
  resolved_at  TEXT,
  CHECK ((status = 'resolved') = (resolution IS NOT NULL)),
  CHECK ((status = 'resolved') = (resolved_at IS NOT NULL))
) STRICT;
CREATE INDEX tickets_customer ON tickets(customer_id);
CREATE INDEX tickets_status ON tickets(status, priority, opened_at);

CREATE TABLE ticket_messages (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  ticket_id  INTEGER NOT NULL REFERENCES tickets(id),
  author_id  INTEGER NOT NULL REFERENCES people(id),
  body       TEXT NOT NULL,
  sent_at    TEXT NOT NULL
) STRICT;
CREATE INDEX ticket_messages_ticket ON ticket_messages(ticket_id);
