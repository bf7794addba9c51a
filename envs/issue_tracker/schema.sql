-- People ---------------------------------------------------------------------------------------------------------

CREATE TABLE teams (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  focus TEXT NOT NULL
) STRICT;

CREATE TABLE users (
  id INTEGER PRIMARY KEY,
  username TEXT NOT NULL UNIQUE,
  full_name TEXT NOT NULL UNIQUE,
  email TEXT NOT NULL UNIQUE,
  job_title TEXT NOT NULL,
  role TEXT NOT NULL CHECK (role IN ('admin', 'member')),
  team_id INTEGER NOT NULL REFERENCES teams (id),
  weekly_minutes INTEGER NOT NULL CHECK (weekly_minutes BETWEEN 0 AND 2400),
  active INTEGER NOT NULL CHECK (active IN (0, 1))
) STRICT;
CREATE INDEX users_by_team ON users (team_id);

-- Projects and what they are made of -----------------------------------------------------------------------------

CREATE TABLE projects (
  id INTEGER PRIMARY KEY,
  key TEXT NOT NULL COLLATE NOCASE UNIQUE CHECK (length(key) BETWEEN 2 AND 5),
  name TEXT NOT NULL UNIQUE,
  description TEXT NOT NULL,
  team_id INTEGER NOT NULL REFERENCES teams (id),
  status TEXT NOT NULL CHECK (status IN ('active', 'archived')),
  visibility TEXT NOT NULL CHECK (visibility IN ('open', 'restricted')),
  wip_limit INTEGER NOT NULL CHECK (wip_limit BETWEEN 1 AND 10), -- issues one person may have in progress here
  last_number INTEGER NOT NULL CHECK (last_number >= 0),          -- of the newest issue
  created_at TEXT NOT NULL,
  archived_at TEXT,
  CHECK ((status = 'archived') = (archived_at IS NOT NULL))
) STRICT;

CREATE TABLE project_members (
  project_id INTEGER NOT NULL REFERENCES projects (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  role TEXT NOT NULL CHECK (role IN ('lead', 'member', 'viewer')),
  since TEXT NOT NULL,
  PRIMARY KEY (project_id, user_id)
) STRICT;
CREATE INDEX project_members_by_user ON project_members (user_id);

-- A row per person and project that person can see; what they may do there.
CREATE VIEW project_access AS
SELECT p.id AS project_id, u.id AS user_id,
       coalesce(m.role IN ('lead', 'member'), 0) OR u.role = 'admin' AS can_edit,
       coalesce(m.role = 'lead', 0) AS is_lead,
       u.role = 'admin' AS is_admin
FROM projects p
CROSS JOIN users u
LEFT JOIN project_members m ON m.project_id = p.id AND m.user_id = u.id
WHERE p.visibility = 'open' OR m.user_id IS NOT NULL;

CREATE TABLE components (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  name TEXT NOT NULL,
  owner_id INTEGER REFERENCES users (id),
  UNIQUE (project_id, name)
) STRICT;

CREATE TABLE releases (
  id INTEGER PRIMARY KEY,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  name TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('planned', 'frozen', 'released')),
  due_date TEXT NOT NULL CHECK (due_date = date(due_date)),
  released_on TEXT CHECK (released_on = date(released_on)),
  UNIQUE (project_id, name),
  CHECK ((status = 'released') = (released_on IS NOT NULL))
) STRICT;

CREATE TABLE sprints (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  name TEXT NOT NULL,
  goal TEXT,
  state TEXT NOT NULL CHECK (state IN ('planned', 'active', 'closed')),
  start_date TEXT NOT NULL CHECK (start_date = date(start_date)),
  end_date TEXT NOT NULL CHECK (end_date = date(end_date)),
  capacity_points INTEGER NOT NULL CHECK (capacity_points BETWEEN 1 AND 200),
  started_at TEXT,
  closed_at TEXT,
  UNIQUE (project_id, name),
  CHECK (end_date > start_date),
  CHECK ((state = 'planned') = (started_at IS NULL)),
  CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX one_active_sprint_per_project ON sprints (project_id) WHERE state = 'active';

CREATE TABLE labels (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  meaning TEXT NOT NULL
) STRICT;

-- The workflow ---------------------------------------------------------------------------------------------------

CREATE TABLE statuses (
  name TEXT PRIMARY KEY,
  category TEXT NOT NULL CHECK (category IN ('todo', 'doing', 'done')),
  position INTEGER NOT NULL UNIQUE
) STRICT;

CREATE TABLE workflow_transitions (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  from_status TEXT NOT NULL REFERENCES statuses (name),
  to_status TEXT NOT NULL REFERENCES statuses (name),
  leads_only INTEGER NOT NULL CHECK (leads_only IN (0, 1)),
  UNIQUE (from_status, to_status),
  CHECK (from_status <> to_status)
) STRICT;

-- Issues and what hangs on them ----------------------------------------------------------------------------------

CREATE TABLE issues (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  project_id INTEGER NOT NULL REFERENCES projects (id),
  number INTEGER NOT NULL CHECK (number > 0),
  key TEXT NOT NULL COLLATE NOCASE UNIQUE,
  type TEXT NOT NULL CHECK (type IN ('bug', 'story', 'task')),
  title TEXT NOT NULL CHECK (length(title) > 0),
  description TEXT,
  status TEXT NOT NULL REFERENCES statuses (name),
  resolution TEXT CHECK (resolution IN ('fixed', 'wont_fix', 'cannot_reproduce', 'duplicate')),
  priority TEXT NOT NULL CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  reporter_id INTEGER NOT NULL REFERENCES users (id),
  assignee_id INTEGER REFERENCES users (id),
  sprint_id INTEGER REFERENCES sprints (id),
  component_id INTEGER REFERENCES components (id),
  fix_release_id INTEGER REFERENCES releases (id),
  story_points INTEGER CHECK (story_points BETWEEN 1 AND 21),
  estimate_minutes INTEGER CHECK (estimate_minutes BETWEEN 1 AND 9600),
  spent_minutes INTEGER NOT NULL DEFAULT 0 CHECK (spent_minutes >= 0), -- the sum of its work logs
  due_date TEXT CHECK (due_date = date(due_date)),
  created_at TEXT NOT NULL,
  updated_at TEXT NOT NULL,
  resolved_at TEXT,
  UNIQUE (project_id, number),
  CHECK ((status = 'done') = (resolution IS NOT NULL)),
  CHECK ((status = 'done') = (resolved_at IS NOT NULL)),
  CHECK (status NOT IN ('in_progress', 'in_review') OR assignee_id IS NOT NULL)
) STRICT;
CREATE INDEX issues_by_sprint ON issues (sprint_id);
CREATE INDEX issues_by_assignee ON issues (assignee_id, status);
CREATE INDEX issues_by_release ON issues (fix_release_id);
CREATE INDEX issues_by_component ON issues (component_id);
CREATE INDEX issues_by_reporter ON issues (reporter_id);

CREATE TABLE issue_labels (
  issue_id INTEGER NOT NULL REFERENCES issues (id),
  label_id INTEGER NOT NULL REFERENCES labels (id),
  PRIMARY KEY (issue_id, label_id)
) STRICT;
CREATE INDEX issue_labels_by_label ON issue_labels (label_id);

-- source blocks | relates_to | duplicates target. relates_to is stored once, the older issue as source.
CREATE TABLE issue_links (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  source_id INTEGER NOT NULL REFERENCES issues (id),
  target_id INTEGER NOT NULL REFERENCES issues (id),
  kind TEXT NOT NULL CHECK (kind IN ('blocks', 'relates_to', 'duplicates')),
  created_by INTEGER NOT NULL REFERENCES users (id),
  created_at TEXT NOT NULL,
  UNIQUE (source_id, target_id, kind),
  CHECK (source_id <> target_id)
) STRICT;
CREATE INDEX issue_links_by_target ON issue_links (target_id, kind);

-- Whatever still holds an issue up.
CREATE VIEW open_blockers AS
SELECT l.target_id AS issue_id, l.source_id AS blocker_id
FROM issue_links l
JOIN issues b ON b.id = l.source_id
WHERE l.kind = 'blocks' AND b.status <> 'done';

CREATE TABLE watchers (
  issue_id INTEGER NOT NULL REFERENCES issues (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  PRIMARY KEY (issue_id, user_id)
) STRICT;
CREATE INDEX watchers_by_user ON watchers (user_id);

CREATE TABLE comments (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL REFERENCES issues (id),
  author_id INTEGER NOT NULL REFERENCES users (id),
  body TEXT NOT NULL CHECK (length(body) > 0),
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX comments_by_issue ON comments (issue_id);

CREATE TABLE work_logs (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  issue_id INTEGER NOT NULL REFERENCES issues (id),
  user_id INTEGER NOT NULL REFERENCES users (id),
  work_date TEXT NOT NULL CHECK (work_date = date(work_date)),
  minutes INTEGER NOT NULL CHECK (minutes BETWEEN 5 AND 480),
  note TEXT,
  logged_at TEXT NOT NULL
) STRICT;
CREATE INDEX work_logs_by_issue ON work_logs (issue_id);
CREATE INDEX work_logs_by_user_and_date ON work_logs (user_id, work_date);

CREATE TABLE attachments (
  id INTEGER PRIMARY KEY,
  issue_id INTEGER NOT NULL REFERENCES issues (id),
  uploader_id INTEGER NOT NULL REFERENCES users (id),
  file_name TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  uploaded_at TEXT NOT NULL,
  UNIQUE (issue_id, file_name)
) STRICT;

-- What belongs to one person -------------------------------------------------------------------------------------

CREATE TABLE notifications (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  user_id INTEGER NOT NULL REFERENCES users (id),
  kind TEXT NOT NULL CHECK (kind IN ('assigned', 'commented', 'resolved', 'reopened', 'membership')),
  issue_id INTEGER REFERENCES issues (id),
  project_id INTEGER NOT NULL REFERENCES projects (id),
  sender_id INTEGER NOT NULL REFERENCES users (id),
  created_at TEXT NOT NULL,
  read_at TEXT
) STRICT;
CREATE INDEX notifications_by_user ON notifications (user_id, read_at);

CREATE TABLE saved_filters (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  owner_id INTEGER NOT NULL REFERENCES users (id),
  name TEXT NOT NULL CHECK (length(name) > 0),
  project_id INTEGER REFERENCES projects (id),
  type TEXT CHECK (type IN ('bug', 'story', 'task')),
  status TEXT REFERENCES statuses (name),
  priority TEXT CHECK (priority IN ('low', 'medium', 'high', 'critical')),
  label_id INTEGER REFERENCES labels (id),
  assigned_to_me INTEGER NOT NULL CHECK (assigned_to_me IN (0, 1)),
  UNIQUE (owner_id, name)
) STRICT;

-- Full-text search over titles and descriptions ------------------------------------------------------------------

CREATE VIRTUAL TABLE issues_fts USING fts5 (
  title, description, content = 'issues', content_rowid = 'id', tokenize = 'porter unicode61'
);
CREATE TRIGGER issues_fts_insert AFTER INSERT ON issues BEGIN
  INSERT INTO issues_fts (rowid, title, description) VALUES (new.id, new.title, new.description);
END;
CREATE TRIGGER issues_fts_delete AFTER DELETE ON issues BEGIN
  INSERT INTO issues_fts (issues_fts, rowid, title, description) VALUES ('delete', old.id, old.title, old.description);
END;
CREATE TRIGGER issues_fts_update AFTER UPDATE OF title, description ON issues BEGIN
  INSERT INTO issues_fts (issues_fts, rowid, title, description) VALUES ('delete', old.id, old.title, old.description);
  INSERT INTO issues_fts (rowid, title, description) VALUES (new.id, new.title, new.description);
END;
