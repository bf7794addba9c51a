CREATE TABLE offices (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  address TEXT NOT NULL
) STRICT;

CREATE TABLE teams (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  cost_center TEXT NOT NULL
) STRICT;

CREATE TABLE members (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  handle TEXT NOT NULL,
  title TEXT NOT NULL,
  phone TEXT NOT NULL,
  office_id TEXT NOT NULL REFERENCES offices(id),
  team_id TEXT NOT NULL REFERENCES teams(id),
  role TEXT NOT NULL CHECK (role IN ('member', 'admin', 'guest')),
  status TEXT NOT NULL CHECK (status IN ('active', 'deactivated')),
  status_text TEXT,
  paused_until TEXT,
  joined_on TEXT NOT NULL
) STRICT;
CREATE INDEX members_by_office_id ON members(office_id);
CREATE INDEX members_by_team_id ON members(team_id);

CREATE TABLE channels (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  purpose TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('public', 'private')),
  posting TEXT NOT NULL CHECK (posting IN ('everyone', 'admins_only')),
  topic TEXT,
  status TEXT NOT NULL CHECK (status IN ('active', 'archived')),
  required INTEGER NOT NULL CHECK (required IN (0, 1)),
  created_by TEXT NOT NULL REFERENCES members(id),
  created_on TEXT NOT NULL,
  retention_days INTEGER
) STRICT;
CREATE INDEX channels_by_created_by ON channels(created_by);

CREATE TABLE channel_members (
  channel_id TEXT NOT NULL REFERENCES channels(id),
  member_id TEXT NOT NULL REFERENCES members(id),
  notify TEXT NOT NULL CHECK (notify IN ('everything', 'mentions', 'nothing')),
  joined_at TEXT NOT NULL,
  PRIMARY KEY (channel_id, member_id)
) STRICT;
CREATE INDEX channel_members_by_channel_id ON channel_members(channel_id);
CREATE INDEX channel_members_by_member_id ON channel_members(member_id);

CREATE TABLE messages (
  id TEXT NOT NULL PRIMARY KEY,
  channel_id TEXT NOT NULL REFERENCES channels(id),
  position INTEGER NOT NULL,
  member_id TEXT NOT NULL REFERENCES members(id),
  parent_id TEXT REFERENCES messages(id),
  text TEXT NOT NULL,
  sent_at TEXT NOT NULL,
  edited INTEGER NOT NULL CHECK (edited IN (0, 1))
) STRICT;
CREATE INDEX messages_by_channel_id ON messages(channel_id);
CREATE INDEX messages_by_member_id ON messages(member_id);
CREATE INDEX messages_by_parent_id ON messages(parent_id);

CREATE TABLE message_files (
  id TEXT NOT NULL PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages(id),
  file_name TEXT NOT NULL,
  size_kb INTEGER NOT NULL,
  UNIQUE (message_id)
) STRICT;
CREATE INDEX message_files_by_message_id ON message_files(message_id);

CREATE TABLE pins (
  id TEXT NOT NULL PRIMARY KEY,
  message_id TEXT NOT NULL UNIQUE REFERENCES messages(id),
  member_id TEXT NOT NULL REFERENCES members(id),
  pinned_at TEXT NOT NULL
) STRICT;
CREATE INDEX pins_by_member_id ON pins(member_id);

CREATE TABLE channel_requests (
  id TEXT NOT NULL PRIMARY KEY,
  member_id TEXT NOT NULL REFERENCES members(id),
  name TEXT NOT NULL UNIQUE,
  purpose TEXT NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('public', 'private')),
  status TEXT NOT NULL CHECK (status IN ('pending', 'approved', 'declined', 'withdrawn')),
  requested_at TEXT NOT NULL,
  decided_by TEXT REFERENCES members(id)
) STRICT;
CREATE INDEX channel_requests_by_member_id ON channel_requests(member_id);
CREATE INDEX channel_requests_by_decided_by ON channel_requests(decided_by);

CREATE TABLE self_reminders (
  id TEXT NOT NULL PRIMARY KEY,
  member_id TEXT NOT NULL REFERENCES members(id),
  note TEXT NOT NULL,
  due_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'done')),
  UNIQUE (member_id, note)
) STRICT;
CREATE INDEX self_reminders_by_member_id ON self_reminders(member_id);

CREATE TABLE channel_links (
  id TEXT NOT NULL PRIMARY KEY,
  channel_id TEXT NOT NULL REFERENCES channels(id),
  title TEXT NOT NULL,
  url TEXT NOT NULL,
  added_by TEXT NOT NULL REFERENCES members(id),
  UNIQUE (channel_id, title)
) STRICT;
CREATE INDEX channel_links_by_channel_id ON channel_links(channel_id);
CREATE INDEX channel_links_by_added_by ON channel_links(added_by);

CREATE TABLE reactions (
  id TEXT NOT NULL PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages(id),
  member_id TEXT NOT NULL REFERENCES members(id),
  emoji TEXT NOT NULL CHECK (emoji IN ('thumbs_up', 'heart', 'eyes', 'party', 'check_mark', 'thinking')),
  UNIQUE (message_id, member_id, emoji)
) STRICT;
CREATE INDEX reactions_by_message_id ON reactions(message_id);
CREATE INDEX reactions_by_member_id ON reactions(member_id);

CREATE TABLE channel_tags (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  meaning TEXT NOT NULL,
  retired INTEGER NOT NULL CHECK (retired IN (0, 1))
) STRICT;

CREATE TABLE channel_taggings (
  channel_tag_id TEXT NOT NULL REFERENCES channel_tags(id),
  channel_id TEXT NOT NULL REFERENCES channels(id),
  PRIMARY KEY (channel_tag_id, channel_id)
) STRICT;
CREATE INDEX channel_taggings_by_channel_tag_id ON channel_taggings(channel_tag_id);
CREATE INDEX channel_taggings_by_channel_id ON channel_taggings(channel_id);

CREATE TABLE member_reports (
  id TEXT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  reporter_id TEXT NOT NULL REFERENCES members(id),
  member_id TEXT NOT NULL REFERENCES members(id),
  reason TEXT NOT NULL CHECK (reason IN ('fraud', 'offensive', 'misleading', 'dangerous')),
  details TEXT,
  status TEXT NOT NULL CHECK (status IN ('open', 'upheld', 'dismissed', 'withdrawn')),
  filed_on TEXT NOT NULL
) STRICT;
CREATE INDEX member_reports_by_reporter_id ON member_reports(reporter_id);
CREATE INDEX member_reports_by_member_id ON member_reports(member_id);
