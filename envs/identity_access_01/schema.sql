CREATE TABLE departments (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  cost_center TEXT NOT NULL
) STRICT;

CREATE TABLE people (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  login TEXT NOT NULL,
  department_id TEXT NOT NULL REFERENCES departments(id),
  title TEXT NOT NULL,
  employment TEXT NOT NULL CHECK (employment IN ('employee', 'contractor')),
  contract_ends_on TEXT,
  manager_id TEXT REFERENCES people(id),
  admin_role TEXT NOT NULL CHECK (admin_role IN ('none', 'help_desk', 'org_admin')),
  status TEXT NOT NULL CHECK (status IN ('staged', 'active', 'suspended', 'deactivated')),
  locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
  last_sign_in_at TEXT,
  started_on TEXT NOT NULL
) STRICT;
CREATE INDEX people_by_department_id ON people(department_id);
CREATE INDEX people_by_manager_id ON people(manager_id);

CREATE TABLE user_groups (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('manual', 'rule_based')),
  owner_id TEXT NOT NULL REFERENCES people(id)
) STRICT;
CREATE INDEX user_groups_by_owner_id ON user_groups(owner_id);

CREATE TABLE group_members (
  user_group_id TEXT NOT NULL REFERENCES user_groups(id),
  person_id TEXT NOT NULL REFERENCES people(id),
  source TEXT NOT NULL CHECK (source IN ('manual', 'rule')),
  added_on TEXT NOT NULL,
  PRIMARY KEY (user_group_id, person_id)
) STRICT;
CREATE INDEX group_members_by_user_group_id ON group_members(user_group_id);
CREATE INDEX group_members_by_person_id ON group_members(person_id);

CREATE TABLE group_rules (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  user_group_id TEXT NOT NULL REFERENCES user_groups(id),
  attribute TEXT NOT NULL CHECK (attribute IN ('department', 'title', 'employment')),
  value TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT;
CREATE INDEX group_rules_by_user_group_id ON group_rules(user_group_id);

CREATE TABLE applications (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  purpose TEXT NOT NULL,
  sign_on TEXT NOT NULL CHECK (sign_on IN ('saml', 'oidc', 'password')),
  restricted INTEGER NOT NULL CHECK (restricted IN (0, 1)),
  owner_id TEXT NOT NULL REFERENCES people(id),
  licence_limit INTEGER,
  monthly_cost_cents INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'retired'))
) STRICT;
CREATE INDEX applications_by_owner_id ON applications(owner_id);

CREATE TABLE app_conflicts (
  application_id TEXT NOT NULL REFERENCES applications(id),
  other_id TEXT NOT NULL REFERENCES applications(id),
  reason TEXT NOT NULL,
  PRIMARY KEY (application_id, other_id)
) STRICT;
CREATE INDEX app_conflicts_by_application_id ON app_conflicts(application_id);
CREATE INDEX app_conflicts_by_other_id ON app_conflicts(other_id);

CREATE TABLE app_groups (
  application_id TEXT NOT NULL REFERENCES applications(id),
  user_group_id TEXT NOT NULL REFERENCES user_groups(id),
  assigned_on TEXT NOT NULL,
  PRIMARY KEY (application_id, user_group_id)
) STRICT;
CREATE INDEX app_groups_by_application_id ON app_groups(application_id);
CREATE INDEX app_groups_by_user_group_id ON app_groups(user_group_id);

CREATE TABLE app_assignments (
  id TEXT NOT NULL PRIMARY KEY,
  application_id TEXT NOT NULL REFERENCES applications(id),
  person_id TEXT NOT NULL REFERENCES people(id),
  app_role TEXT NOT NULL CHECK (app_role IN ('reader', 'user', 'manager')),
  assigned_on TEXT NOT NULL,
  expires_on TEXT,
  UNIQUE (application_id, person_id)
) STRICT;
CREATE INDEX app_assignments_by_application_id ON app_assignments(application_id);
CREATE INDEX app_assignments_by_person_id ON app_assignments(person_id);

CREATE TABLE access_requests (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  person_id TEXT NOT NULL REFERENCES people(id),
  application_id TEXT NOT NULL REFERENCES applications(id),
  app_role TEXT NOT NULL CHECK (app_role IN ('reader', 'user', 'manager')),
  reason TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'denied', 'withdrawn')),
  asked_on TEXT NOT NULL,
  decided_by TEXT REFERENCES people(id)
) STRICT;
CREATE INDEX access_requests_by_person_id ON access_requests(person_id);
CREATE INDEX access_requests_by_application_id ON access_requests(application_id);
CREATE INDEX access_requests_by_decided_by ON access_requests(decided_by);

CREATE TABLE sign_in_log (
  id TEXT NOT NULL PRIMARY KEY,
  person_id TEXT NOT NULL REFERENCES people(id),
  application_id TEXT NOT NULL REFERENCES applications(id),
  outcome TEXT NOT NULL CHECK (outcome IN ('success', 'wrong_password', 'blocked')),
  city TEXT NOT NULL,
  at TEXT NOT NULL
) STRICT;
CREATE INDEX sign_in_log_by_person_id ON sign_in_log(person_id);
CREATE INDEX sign_in_log_by_application_id ON sign_in_log(application_id);

CREATE TABLE api_tokens (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  owner_id TEXT NOT NULL REFERENCES people(id),
  scope TEXT NOT NULL CHECK (scope IN ('read_people', 'read_groups', 'manage_groups', 'manage_people')),
  created_on TEXT NOT NULL,
  last_used_on TEXT,
  status TEXT NOT NULL CHECK (status IN ('active', 'revoked'))
) STRICT;
CREATE INDEX api_tokens_by_owner_id ON api_tokens(owner_id);

CREATE TABLE sign_on_rules (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  priority INTEGER NOT NULL,
  applies_to TEXT NOT NULL CHECK (applies_to IN ('everybody', 'contractors', 'admins')),
  network TEXT NOT NULL CHECK (network IN ('anywhere', 'office', 'outside_office', 'outside_country')),
  effect TEXT NOT NULL CHECK (effect IN ('allow', 'second_factor', 'deny')),
  session_hours INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'inactive'))
) STRICT;

CREATE TABLE application_tags (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  meaning TEXT NOT NULL,
  retired INTEGER NOT NULL CHECK (retired IN (0, 1))
) STRICT;

CREATE TABLE application_taggings (
  application_tag_id TEXT NOT NULL REFERENCES application_tags(id),
  application_id TEXT NOT NULL REFERENCES applications(id),
  PRIMARY KEY (application_tag_id, application_id)
) STRICT;
CREATE INDEX application_taggings_by_application_tag_id ON application_taggings(application_tag_id);
CREATE INDEX application_taggings_by_application_id ON application_taggings(application_id);
