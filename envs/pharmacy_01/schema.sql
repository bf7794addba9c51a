CREATE TABLE patients (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL,
  born_on TEXT NOT NULL,
  phone TEXT NOT NULL
) STRICT;

CREATE TABLE drugstores (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  street TEXT NOT NULL,
  closes_at TEXT NOT NULL,
  drive_through INTEGER NOT NULL CHECK (drive_through IN (0, 1)),
  vaccinates INTEGER NOT NULL CHECK (vaccinates IN (0, 1)),
  pharmacist TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE medicines (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  ingredient TEXT NOT NULL,
  form TEXT NOT NULL CHECK (form IN ('tablet', 'capsule', 'inhaler', 'ointment')),
  unit_cents INTEGER NOT NULL,
  controlled INTEGER NOT NULL CHECK (controlled IN (0, 1)),
  brand INTEGER NOT NULL CHECK (brand IN (0, 1)),
  over_the_counter INTEGER NOT NULL CHECK (over_the_counter IN (0, 1))
) STRICT;

CREATE TABLE stock_levels (
  drugstore_id INTEGER NOT NULL REFERENCES drugstores(id),
  medicine_id INTEGER NOT NULL REFERENCES medicines(id),
  quantity INTEGER NOT NULL,
  PRIMARY KEY (drugstore_id, medicine_id),
  CHECK (quantity >= 0)
) STRICT;
CREATE INDEX stock_levels_by_drugstore_id ON stock_levels(drugstore_id);
CREATE INDEX stock_levels_by_medicine_id ON stock_levels(medicine_id);

CREATE TABLE interactions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  one TEXT NOT NULL,
  other TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('minor', 'moderate', 'severe')),
  advice TEXT NOT NULL
) STRICT;

CREATE TABLE prescribers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  specialty TEXT NOT NULL
) STRICT;

CREATE TABLE prescriptions (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  number TEXT NOT NULL UNIQUE,
  patient_id INTEGER NOT NULL REFERENCES patients(id),
  medicine_id INTEGER NOT NULL REFERENCES medicines(id),
  prescriber_id INTEGER NOT NULL REFERENCES prescribers(id),
  drugstore_id INTEGER NOT NULL REFERENCES drugstores(id),
  quantity INTEGER NOT NULL,
  days_supply INTEGER NOT NULL,
  refills_left INTEGER NOT NULL,
  substitution INTEGER NOT NULL CHECK (substitution IN (0, 1)),
  transfers INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'on_hold', 'expired')),
  expires_on TEXT NOT NULL,
  UNIQUE (patient_id, medicine_id)
) STRICT;
CREATE INDEX prescriptions_by_patient_id ON prescriptions(patient_id);
CREATE INDEX prescriptions_by_medicine_id ON prescriptions(medicine_id);
CREATE INDEX prescriptions_by_prescriber_id ON prescriptions(prescriber_id);
CREATE INDEX prescriptions_by_drugstore_id ON prescriptions(drugstore_id);

CREATE TABLE fills (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  prescription_id INTEGER NOT NULL REFERENCES prescriptions(id),
  medicine_id INTEGER NOT NULL REFERENCES medicines(id),
  drugstore_id INTEGER NOT NULL REFERENCES drugstores(id),
  quantity INTEGER NOT NULL,
  copay_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('requested', 'ready', 'picked_up', 'returned', 'cancelled')),
  filled_on TEXT NOT NULL,
  pickup_by TEXT,
  extended INTEGER NOT NULL CHECK (extended IN (0, 1))
) STRICT;
CREATE INDEX fills_by_prescription_id ON fills(prescription_id);
CREATE INDEX fills_by_medicine_id ON fills(medicine_id);
CREATE INDEX fills_by_drugstore_id ON fills(drugstore_id);

CREATE TABLE renewal_requests (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  prescription_id INTEGER NOT NULL REFERENCES prescriptions(id),
  prescriber_id INTEGER NOT NULL REFERENCES prescribers(id),
  refills INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('sent', 'granted', 'denied', 'withdrawn')),
  sent_on TEXT NOT NULL
) STRICT;
CREATE INDEX renewal_requests_by_prescription_id ON renewal_requests(prescription_id);
CREATE INDEX renewal_requests_by_prescriber_id ON renewal_requests(prescriber_id);

CREATE TABLE allergies (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  patient_id INTEGER NOT NULL REFERENCES patients(id),
  ingredient TEXT NOT NULL,
  reaction TEXT NOT NULL CHECK (reaction IN ('rash', 'breathing', 'stomach', 'other')),
  noted_on TEXT NOT NULL,
  UNIQUE (patient_id, ingredient)
) STRICT;
CREATE INDEX allergies_by_patient_id ON allergies(patient_id);

CREATE TABLE insurance_plans (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  patient_id INTEGER NOT NULL REFERENCES patients(id),
  insurer TEXT NOT NULL,
  member_number TEXT NOT NULL UNIQUE,
  coverage_percent INTEGER NOT NULL,
  covers_brands INTEGER NOT NULL CHECK (covers_brands IN (0, 1)),
  primary_plan INTEGER NOT NULL CHECK (primary_plan IN (0, 1)),
  ends_on TEXT NOT NULL,
  UNIQUE (patient_id, insurer)
) STRICT;
CREATE INDEX insurance_plans_by_patient_id ON insurance_plans(patient_id);

CREATE TABLE insurance_claims (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fill_id INTEGER NOT NULL UNIQUE REFERENCES fills(id),
  insurance_plan_id INTEGER NOT NULL REFERENCES insurance_plans(id),
  reference TEXT NOT NULL UNIQUE,
  billed_cents INTEGER NOT NULL,
  paid_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('paid', 'rejected')),
  reason TEXT CHECK (reason IN ('not_covered', 'plan_ended', 'wrong_member_number'))
) STRICT;
CREATE INDEX insurance_claims_by_insurance_plan_id ON insurance_claims(insurance_plan_id);

CREATE TABLE home_deliveries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  fill_id INTEGER NOT NULL UNIQUE REFERENCES fills(id),
  tracking TEXT NOT NULL UNIQUE,
  arrives_on TEXT NOT NULL,
  fee_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('on_the_way', 'delivered', 'cancelled'))
) STRICT;

CREATE TABLE pickup_people (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  patient_id INTEGER NOT NULL REFERENCES patients(id),
  name TEXT NOT NULL,
  relation TEXT NOT NULL CHECK (relation IN ('partner', 'child', 'parent', 'neighbour')),
  valid_until TEXT NOT NULL,
  UNIQUE (patient_id, name)
) STRICT;
CREATE INDEX pickup_people_by_patient_id ON pickup_people(patient_id);

CREATE TABLE rewards (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  points INTEGER NOT NULL,
  left_over INTEGER NOT NULL
) STRICT;

CREATE TABLE points_entries (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES patients(id),
  kind TEXT NOT NULL CHECK (kind IN ('earned', 'bonus', 'redeemed', 'given', 'received', 'expired')),
  points INTEGER NOT NULL,
  note TEXT NOT NULL,
  booked_on TEXT NOT NULL,
  expires_on TEXT
) STRICT;
CREATE INDEX points_entries_by_owner_id ON points_entries(owner_id);
