CREATE TABLE riders (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  phone TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  rating REAL NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended'))
) STRICT;

CREATE TABLE zones (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  surge_percent INTEGER NOT NULL
) STRICT;

CREATE TABLE places (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  zone_name TEXT NOT NULL,
  zone_id TEXT NOT NULL REFERENCES zones(id),
  x_hm INTEGER NOT NULL,
  y_hm INTEGER NOT NULL
) STRICT;
CREATE INDEX places_by_zone_id ON places(zone_id);

CREATE TABLE ride_categories (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  seats INTEGER NOT NULL,
  base_cents INTEGER NOT NULL,
  per_km_cents INTEGER NOT NULL,
  per_minute_cents INTEGER NOT NULL,
  minimum_cents INTEGER NOT NULL,
  cancel_fee_cents INTEGER NOT NULL
) STRICT;

CREATE TABLE drivers (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  car TEXT NOT NULL,
  plate TEXT NOT NULL UNIQUE,
  rating REAL NOT NULL,
  category_id TEXT NOT NULL REFERENCES ride_categories(id)
) STRICT;
CREATE INDEX drivers_by_category_id ON drivers(category_id);

CREATE TABLE contacts (
  id TEXT NOT NULL PRIMARY KEY,
  rider_id TEXT NOT NULL REFERENCES riders(id),
  name TEXT NOT NULL
) STRICT;
CREATE INDEX contacts_by_rider_id ON contacts(rider_id);

CREATE TABLE saved_places (
  id TEXT NOT NULL PRIMARY KEY,
  rider_id TEXT NOT NULL REFERENCES riders(id),
  label TEXT NOT NULL,
  place_id TEXT NOT NULL REFERENCES places(id),
  UNIQUE (rider_id, label),
  UNIQUE (rider_id, place_id)
) STRICT;
CREATE INDEX saved_places_by_rider_id ON saved_places(rider_id);
CREATE INDEX saved_places_by_place_id ON saved_places(place_id);

CREATE TABLE rides (
  id TEXT NOT NULL PRIMARY KEY,
  code TEXT NOT NULL UNIQUE,
  rider_id TEXT NOT NULL REFERENCES riders(id),
  category_id TEXT NOT NULL REFERENCES ride_categories(id),
  driver_id TEXT REFERENCES drivers(id),
  pickup_id TEXT NOT NULL REFERENCES places(id),
  dropoff_id TEXT NOT NULL REFERENCES places(id),
  passengers INTEGER NOT NULL,
  pickup_at TEXT NOT NULL,
  requested_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'requested', 'accepted', 'in_progress', 'completed', 'cancelled')),
  distance_hm INTEGER NOT NULL,
  fare_cents INTEGER NOT NULL,
  tip_cents INTEGER NOT NULL,
  stars INTEGER,
  driver_note TEXT
) STRICT;
CREATE INDEX rides_by_rider_id ON rides(rider_id);
CREATE INDEX rides_by_category_id ON rides(category_id);
CREATE INDEX rides_by_driver_id ON rides(driver_id);
CREATE INDEX rides_by_pickup_id ON rides(pickup_id);
CREATE INDEX rides_by_dropoff_id ON rides(dropoff_id);

CREATE TABLE ride_stops (
  id TEXT NOT NULL PRIMARY KEY,
  ride_id TEXT NOT NULL REFERENCES rides(id),
  place_id TEXT NOT NULL REFERENCES places(id),
  UNIQUE (ride_id, place_id)
) STRICT;
CREATE INDEX ride_stops_by_ride_id ON ride_stops(ride_id);
CREATE INDEX ride_stops_by_place_id ON ride_stops(place_id);

CREATE TABLE ride_charges (
  id TEXT NOT NULL PRIMARY KEY,
  ride_id TEXT NOT NULL REFERENCES rides(id),
  kind TEXT NOT NULL CHECK (kind IN ('trip', 'surge', 'booking_fee', 'reserve_fee', 'stop_fee', 'wait_fee', 'toll', 'cleaning_fee', 'cancellation_fee', 'promo')),
  amount_cents INTEGER NOT NULL,
  UNIQUE (ride_id, kind)
) STRICT;
CREATE INDEX ride_charges_by_ride_id ON ride_charges(ride_id);

CREATE TABLE charge_disputes (
  id TEXT NOT NULL PRIMARY KEY,
  ride_charge_id TEXT NOT NULL UNIQUE REFERENCES ride_charges(id),
  reason TEXT NOT NULL CHECK (reason IN ('never_happened', 'wrong_amount', 'driver_late', 'wrong_route')),
  status TEXT NOT NULL CHECK (status IN ('open', 'refunded', 'rejected', 'withdrawn')),
  opened_on TEXT NOT NULL
) STRICT;

CREATE TABLE fare_splits (
  id TEXT NOT NULL PRIMARY KEY,
  ride_id TEXT NOT NULL REFERENCES rides(id),
  contact_id TEXT NOT NULL REFERENCES contacts(id),
  share_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('invited', 'accepted', 'declined', 'withdrawn')),
  UNIQUE (ride_id, contact_id)
) STRICT;
CREATE INDEX fare_splits_by_ride_id ON fare_splits(ride_id);
CREATE INDEX fare_splits_by_contact_id ON fare_splits(contact_id);

CREATE TABLE lost_items (
  id TEXT NOT NULL PRIMARY KEY,
  ride_id TEXT NOT NULL REFERENCES rides(id),
  kind TEXT NOT NULL CHECK (kind IN ('phone', 'bag', 'keys', 'umbrella', 'clothing', 'glasses')),
  status TEXT NOT NULL CHECK (status IN ('reported', 'found', 'returning', 'returned', 'not_found')),
  return_method TEXT CHECK (return_method IN ('office_pickup', 'delivery')),
  return_place_id TEXT REFERENCES places(id),
  fee_cents INTEGER NOT NULL,
  reported_on TEXT NOT NULL,
  UNIQUE (ride_id, kind)
) STRICT;
CREATE INDEX lost_items_by_ride_id ON lost_items(ride_id);
CREATE INDEX lost_items_by_return_place_id ON lost_items(return_place_id);

CREATE TABLE blocked_drivers (
  rider_id TEXT NOT NULL REFERENCES riders(id),
  driver_id TEXT NOT NULL REFERENCES drivers(id),
  reason TEXT NOT NULL CHECK (reason IN ('unsafe_driving', 'rude', 'car_condition', 'other')),
  PRIMARY KEY (rider_id, driver_id)
) STRICT;
CREATE INDEX blocked_drivers_by_rider_id ON blocked_drivers(rider_id);
CREATE INDEX blocked_drivers_by_driver_id ON blocked_drivers(driver_id);

CREATE TABLE rewards (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  points INTEGER NOT NULL,
  left_over INTEGER NOT NULL
) STRICT;

CREATE TABLE points_entries (
  id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL REFERENCES riders(id),
  kind TEXT NOT NULL CHECK (kind IN ('earned', 'bonus', 'redeemed', 'given', 'received', 'expired')),
  points INTEGER NOT NULL,
  note TEXT NOT NULL,
  booked_on TEXT NOT NULL,
  expires_on TEXT
) STRICT;
CREATE INDEX points_entries_by_owner_id ON points_entries(owner_id);
