CREATE TABLE travellers (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  home_city TEXT NOT NULL,
  level TEXT NOT NULL CHECK (level IN ('basic', 'silver', 'gold')),
  member_since TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'closed'))
) STRICT;

CREATE TABLE properties (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  city TEXT NOT NULL,
  district TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('hotel', 'guesthouse', 'aparthotel', 'resort')),
  stars INTEGER NOT NULL,
  email TEXT NOT NULL,
  pets_allowed INTEGER NOT NULL CHECK (pets_allowed IN (0, 1)),
  city_tax_cents INTEGER NOT NULL,
  latest_check_in TEXT NOT NULL
) STRICT;

CREATE TABLE facilities (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE property_facilities (
  property_id TEXT NOT NULL REFERENCES properties(id),
  facility_id TEXT NOT NULL REFERENCES facilities(id),
  PRIMARY KEY (property_id, facility_id)
) STRICT;
CREATE INDEX property_facilities_by_property_id ON property_facilities(property_id);
CREATE INDEX property_facilities_by_facility_id ON property_facilities(facility_id);

CREATE TABLE room_types (
  id TEXT NOT NULL PRIMARY KEY,
  property_id TEXT NOT NULL REFERENCES properties(id),
  name TEXT NOT NULL,
  sleeps INTEGER NOT NULL,
  size_m2 INTEGER NOT NULL,
  rooms INTEGER NOT NULL,
  UNIQUE (property_id, name)
) STRICT;
CREATE INDEX room_types_by_property_id ON room_types(property_id);

CREATE TABLE rate_plans (
  id TEXT NOT NULL PRIMARY KEY,
  room_type_id TEXT NOT NULL REFERENCES room_types(id),
  terms TEXT NOT NULL CHECK (terms IN ('free_cancellation', 'partial_refund', 'non_refundable')),
  meals TEXT NOT NULL CHECK (meals IN ('room_only', 'breakfast', 'half_board')),
  free_days INTEGER,
  night_cents INTEGER NOT NULL,
  UNIQUE (room_type_id, terms, meals)
) STRICT;
CREATE INDEX rate_plans_by_room_type_id ON rate_plans(room_type_id);

CREATE TABLE closures (
  id TEXT NOT NULL PRIMARY KEY,
  room_type_id TEXT NOT NULL REFERENCES room_types(id),
  reason TEXT NOT NULL CHECK (reason IN ('renovation', 'group_booking', 'season_break')),
  first_night TEXT NOT NULL,
  last_night TEXT NOT NULL
) STRICT;
CREATE INDEX closures_by_room_type_id ON closures(room_type_id);

CREATE TABLE companions (
  id TEXT NOT NULL PRIMARY KEY,
  traveller_id TEXT NOT NULL REFERENCES travellers(id),
  name TEXT NOT NULL,
  relation TEXT NOT NULL CHECK (relation IN ('partner', 'child', 'parent', 'friend', 'colleague')),
  UNIQUE (traveller_id, name)
) STRICT;
CREATE INDEX companions_by_traveller_id ON companions(traveller_id);

CREATE TABLE reservations (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  traveller_id TEXT NOT NULL REFERENCES travellers(id),
  rate_plan_id TEXT NOT NULL REFERENCES rate_plans(id),
  arrives TEXT NOT NULL,
  nights INTEGER NOT NULL,
  departs TEXT NOT NULL,
  guests INTEGER NOT NULL,
  companion_id TEXT REFERENCES companions(id),
  arrival_window TEXT CHECK (arrival_window IN ('morning', 'afternoon', 'evening', 'night')),
  discount_percent INTEGER NOT NULL,
  room_cents INTEGER NOT NULL,
  tax_cents INTEGER NOT NULL,
  total_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('booked', 'staying', 'completed', 'no_show', 'cancelled')),
  booked_on TEXT NOT NULL,
  cancelled_on TEXT,
  cancel_fee_cents INTEGER,
  UNIQUE (traveller_id, rate_plan_id, arrives)
) STRICT;
CREATE INDEX reservations_by_traveller_id ON reservations(traveller_id);
CREATE INDEX reservations_by_rate_plan_id ON reservations(rate_plan_id);
CREATE INDEX reservations_by_companion_id ON reservations(companion_id);

CREATE TABLE special_requests (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL REFERENCES reservations(id),
  kind TEXT NOT NULL CHECK (kind IN ('quiet_room', 'high_floor', 'cot', 'twin_beds', 'accessible_room', 'early_check_in')),
  status TEXT NOT NULL CHECK (status IN ('sent', 'accepted', 'declined', 'withdrawn')),
  sent_at TEXT NOT NULL,
  UNIQUE (reservation_id, kind)
) STRICT;
CREATE INDEX special_requests_by_reservation_id ON special_requests(reservation_id);

CREATE TABLE extra_offers (
  id TEXT NOT NULL PRIMARY KEY,
  property_id TEXT NOT NULL REFERENCES properties(id),
  kind TEXT NOT NULL CHECK (kind IN ('parking', 'spa_pass', 'late_checkout', 'bike_hire', 'welcome_basket', 'breakfast_box')),
  charged TEXT NOT NULL CHECK (charged IN ('per_night', 'per_stay')),
  price_cents INTEGER NOT NULL,
  UNIQUE (property_id, kind)
) STRICT;
CREATE INDEX extra_offers_by_property_id ON extra_offers(property_id);

CREATE TABLE stay_extras (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL REFERENCES reservations(id),
  extra_offer_id TEXT NOT NULL REFERENCES extra_offers(id),
  amount_cents INTEGER NOT NULL
) STRICT;
CREATE INDEX stay_extras_by_reservation_id ON stay_extras(reservation_id);
CREATE INDEX stay_extras_by_extra_offer_id ON stay_extras(extra_offer_id);

CREATE TABLE refunds (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL UNIQUE REFERENCES reservations(id),
  amount_cents INTEGER NOT NULL,
  expected_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'paid'))
) STRICT;

CREATE TABLE no_show_reports (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL UNIQUE REFERENCES reservations(id),
  reported_on TEXT NOT NULL,
  fee_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('reported', 'disputed', 'upheld', 'waived')),
  grounds TEXT CHECK (grounds IN ('i_stayed', 'i_cancelled', 'property_refused_me', 'late_arrival_announced'))
) STRICT;

CREATE TABLE fee_waivers (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL UNIQUE REFERENCES reservations(id),
  reason TEXT NOT NULL CHECK (reason IN ('illness', 'travel_disruption', 'bereavement', 'booked_by_mistake')),
  status TEXT NOT NULL CHECK (status IN ('pending', 'granted', 'declined')),
  asked_on TEXT NOT NULL
) STRICT;

CREATE TABLE travel_credits (
  id TEXT NOT NULL PRIMARY KEY,
  traveller_id TEXT NOT NULL REFERENCES travellers(id),
  code TEXT NOT NULL UNIQUE,
  amount_cents INTEGER NOT NULL,
  expires_on TEXT NOT NULL,
  reservation_id TEXT REFERENCES reservations(id)
) STRICT;
CREATE INDEX travel_credits_by_traveller_id ON travel_credits(traveller_id);
CREATE INDEX travel_credits_by_reservation_id ON travel_credits(reservation_id);

CREATE TABLE airport_transfers (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL REFERENCES reservations(id),
  direction TEXT NOT NULL CHECK (direction IN ('to_property', 'to_airport')),
  vehicle TEXT NOT NULL CHECK (vehicle IN ('sedan', 'estate', 'minibus')),
  flight_number TEXT NOT NULL,
  price_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ordered', 'cancelled')),
  UNIQUE (reservation_id, direction)
) STRICT;
CREATE INDEX airport_transfers_by_reservation_id ON airport_transfers(reservation_id);

CREATE TABLE stay_invoices (
  id TEXT NOT NULL PRIMARY KEY,
  reservation_id TEXT NOT NULL UNIQUE REFERENCES reservations(id),
  number TEXT NOT NULL UNIQUE,
  company TEXT NOT NULL,
  total_cents INTEGER NOT NULL,
  issued_on TEXT NOT NULL
) STRICT;

CREATE TABLE payment_methods (
  id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL REFERENCES travellers(id),
  kind TEXT NOT NULL CHECK (kind IN ('credit_card', 'debit_card', 'bank_account')),
  last_digits TEXT NOT NULL,
  nickname TEXT NOT NULL,
  expires_on TEXT,
  preferred INTEGER NOT NULL CHECK (preferred IN (0, 1)),
  added_on TEXT NOT NULL,
  UNIQUE (owner_id, kind, last_digits)
) STRICT;
CREATE INDEX payment_methods_by_owner_id ON payment_methods(owner_id);
