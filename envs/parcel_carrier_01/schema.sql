CREATE TABLE shippers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  company TEXT NOT NULL UNIQUE,
  account_number TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE regions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  city TEXT NOT NULL UNIQUE,
  zone INTEGER NOT NULL,
  remote INTEGER NOT NULL CHECK (remote IN (0, 1)),
  hub TEXT NOT NULL
) STRICT;

CREATE TABLE services (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('express', 'ground')),
  base_cents INTEGER NOT NULL,
  per_kg_cents INTEGER NOT NULL,
  zone_cents INTEGER NOT NULL,
  days INTEGER NOT NULL,
  max_grams INTEGER NOT NULL,
  addresses TEXT NOT NULL CHECK (addresses IN ('any', 'residential', 'business')),
  serves_remote INTEGER NOT NULL CHECK (serves_remote IN (0, 1))
) STRICT;

CREATE TABLE hold_locations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  region_id INTEGER NOT NULL REFERENCES regions(id),
  name TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK (kind IN ('ship_center', 'pharmacy', 'grocery', 'locker')),
  closes_at TEXT NOT NULL,
  max_grams INTEGER NOT NULL,
  space_left INTEGER NOT NULL
) STRICT;
CREATE INDEX hold_locations_by_region_id ON hold_locations(region_id);

CREATE TABLE recipients (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  name TEXT NOT NULL,
  street TEXT NOT NULL,
  region_id INTEGER NOT NULL REFERENCES regions(id),
  residential INTEGER NOT NULL CHECK (residential IN (0, 1))
) STRICT;
CREATE INDEX recipients_by_shipper_id ON recipients(shipper_id);
CREATE INDEX recipients_by_region_id ON recipients(region_id);

CREATE TABLE pickups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  code TEXT NOT NULL UNIQUE,
  day TEXT NOT NULL,
  slot TEXT NOT NULL CHECK (slot IN ('morning', 'afternoon', 'evening')),
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'done', 'cancelled')),
  UNIQUE (shipper_id, day)
) STRICT;
CREATE INDEX pickups_by_shipper_id ON pickups(shipper_id);

CREATE TABLE invoices (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  number TEXT NOT NULL UNIQUE,
  issued_on TEXT NOT NULL,
  due_on TEXT NOT NULL,
  total_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'paid'))
) STRICT;
CREATE INDEX invoices_by_shipper_id ON invoices(shipper_id);

CREATE TABLE shipments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  tracking TEXT NOT NULL UNIQUE,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  recipient_id INTEGER NOT NULL REFERENCES recipients(id),
  service_id INTEGER NOT NULL REFERENCES services(id),
  contents TEXT NOT NULL,
  weight_grams INTEGER NOT NULL,
  declared_cents INTEGER NOT NULL,
  signature TEXT NOT NULL CHECK (signature IN ('none', 'indirect', 'direct', 'adult')),
  ship_on TEXT NOT NULL,
  due_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('label_created', 'in_transit', 'out_for_delivery', 'exception', 'held', 'delivered', 'returned', 'voided')),
  delivered_on TEXT,
  signed_by TEXT,
  hold_location_id INTEGER REFERENCES hold_locations(id),
  held_until TEXT,
  hold_extended INTEGER NOT NULL CHECK (hold_extended IN (0, 1)),
  cost_cents INTEGER NOT NULL,
  pickup_id INTEGER REFERENCES pickups(id),
  invoice_id INTEGER REFERENCES invoices(id)
) STRICT;
CREATE INDEX shipments_by_shipper_id ON shipments(shipper_id);
CREATE INDEX shipments_by_recipient_id ON shipments(recipient_id);
CREATE INDEX shipments_by_service_id ON shipments(service_id);
CREATE INDEX shipments_by_hold_location_id ON shipments(hold_location_id);
CREATE INDEX shipments_by_pickup_id ON shipments(pickup_id);
CREATE INDEX shipments_by_invoice_id ON shipments(invoice_id);

CREATE TABLE tracking_events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipment_id INTEGER NOT NULL REFERENCES shipments(id),
  happened_at TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('label_printed', 'picked_up', 'arrived_at_hub', 'out_for_delivery', 'delivered', 'exception', 'at_location', 'returned', 'instructions')),
  place TEXT NOT NULL
) STRICT;
CREATE INDEX tracking_events_by_shipment_id ON tracking_events(shipment_id);

CREATE TABLE delivery_exceptions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipment_id INTEGER NOT NULL UNIQUE REFERENCES shipments(id),
  kind TEXT NOT NULL CHECK (kind IN ('bad_address', 'recipient_absent', 'weather_delay')),
  attempts INTEGER NOT NULL,
  occurred_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('open', 'resolved')),
  resolution TEXT CHECK (resolution IN ('address_corrected', 'new_attempt', 'held', 'returned'))
) STRICT;

CREATE TABLE surcharges (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipment_id INTEGER NOT NULL REFERENCES shipments(id),
  kind TEXT NOT NULL CHECK (kind IN ('oversize', 'address_correction', 'weekend_delivery', 'fuel_adjustment')),
  amount_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('charged', 'disputed', 'credited', 'upheld')),
  reason TEXT CHECK (reason IN ('not_oversized', 'address_was_right', 'delivered_on_weekday', 'agreed_price')),
  UNIQUE (shipment_id, kind)
) STRICT;
CREATE INDEX surcharges_by_shipment_id ON surcharges(shipment_id);

CREATE TABLE claims (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  number TEXT NOT NULL UNIQUE,
  shipment_id INTEGER NOT NULL UNIQUE REFERENCES shipments(id),
  kind TEXT NOT NULL CHECK (kind IN ('damaged', 'missing_contents', 'lost')),
  amount_cents INTEGER NOT NULL,
  filed_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('filed', 'approved', 'denied', 'withdrawn'))
) STRICT;

CREATE TABLE supply_items (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  pack_size INTEGER NOT NULL,
  max_packs INTEGER NOT NULL
) STRICT;

CREATE TABLE supply_orders (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  code TEXT NOT NULL UNIQUE,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  supply_item_id INTEGER NOT NULL REFERENCES supply_items(id),
  packs INTEGER NOT NULL,
  ordered_on TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ordered', 'sent', 'cancelled')),
  UNIQUE (shipper_id, supply_item_id)
) STRICT;
CREATE INDEX supply_orders_by_shipper_id ON supply_orders(shipper_id);
CREATE INDEX supply_orders_by_supply_item_id ON supply_orders(supply_item_id);

CREATE TABLE standing_pickups (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  weekday TEXT NOT NULL CHECK (weekday IN ('monday', 'tuesday', 'wednesday', 'thursday', 'friday')),
  slot TEXT NOT NULL CHECK (slot IN ('morning', 'afternoon', 'evening')),
  status TEXT NOT NULL CHECK (status IN ('active', 'paused')),
  paused_until TEXT,
  UNIQUE (shipper_id, weekday)
) STRICT;
CREATE INDEX standing_pickups_by_shipper_id ON standing_pickups(shipper_id);

CREATE TABLE delivery_pauses (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  shipper_id INTEGER NOT NULL REFERENCES shippers(id),
  recipient_id INTEGER NOT NULL UNIQUE REFERENCES recipients(id),
  reason TEXT NOT NULL CHECK (reason IN ('closed_for_holidays', 'moving', 'stocktaking')),
  resumes_on TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_pauses_by_shipper_id ON delivery_pauses(shipper_id);
