CREATE TABLE users (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  address TEXT NOT NULL,
  job TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended'))
) STRICT;

CREATE TABLE contacts (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  name TEXT NOT NULL,
  company TEXT,
  address TEXT NOT NULL,
  phone TEXT,
  favorite INTEGER NOT NULL CHECK (favorite IN (0, 1))
) STRICT;
CREATE INDEX contacts_by_user_id ON contacts(user_id);

CREATE TABLE contact_groups (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  name TEXT NOT NULL,
  UNIQUE (user_id, name)
) STRICT;
CREATE INDEX contact_groups_by_user_id ON contact_groups(user_id);

CREATE TABLE contact_group_members (
  contact_group_id TEXT NOT NULL REFERENCES contact_groups(id),
  contact_id TEXT NOT NULL REFERENCES contacts(id),
  PRIMARY KEY (contact_group_id, contact_id)
) STRICT;
CREATE INDEX contact_group_members_by_contact_group_id ON contact_group_members(contact_group_id);
CREATE INDEX contact_group_members_by_contact_id ON contact_group_members(contact_id);

CREATE TABLE labels (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  name TEXT NOT NULL,
  color TEXT NOT NULL CHECK (color IN ('red', 'orange', 'green', 'blue', 'purple', 'grey')),
  in_sidebar INTEGER NOT NULL CHECK (in_sidebar IN (0, 1)),
  UNIQUE (user_id, name)
) STRICT;
CREATE INDEX labels_by_user_id ON labels(user_id);

CREATE TABLE threads (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  subject TEXT NOT NULL,
  category TEXT NOT NULL CHECK (category IN ('primary', 'updates', 'promotions')),
  contact_id TEXT REFERENCES contacts(id),
  from_name TEXT NOT NULL,
  from_address TEXT NOT NULL,
  folder TEXT NOT NULL CHECK (folder IN ('inbox', 'archive', 'sent', 'trash', 'spam')),
  unread INTEGER NOT NULL CHECK (unread IN (0, 1)),
  starred INTEGER NOT NULL CHECK (starred IN (0, 1)),
  muted INTEGER NOT NULL CHECK (muted IN (0, 1)),
  snoozed_until TEXT,
  trashed_at TEXT,
  started_at TEXT NOT NULL
) STRICT;
CREATE INDEX threads_by_user_id ON threads(user_id);
CREATE INDEX threads_by_contact_id ON threads(contact_id);

CREATE TABLE messages (
  id TEXT NOT NULL PRIMARY KEY,
  thread_id TEXT NOT NULL REFERENCES threads(id),
  position INTEGER NOT NULL,
  outgoing INTEGER NOT NULL CHECK (outgoing IN (0, 1)),
  from_name TEXT NOT NULL,
  to_address TEXT NOT NULL,
  body TEXT NOT NULL,
  size_kb INTEGER NOT NULL,
  sent_at TEXT NOT NULL
) STRICT;
CREATE INDEX messages_by_thread_id ON messages(thread_id);

CREATE TABLE message_copies (
  id TEXT NOT NULL PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages(id),
  contact_id TEXT NOT NULL REFERENCES contacts(id),
  hidden INTEGER NOT NULL CHECK (hidden IN (0, 1))
) STRICT;
CREATE INDEX message_copies_by_message_id ON message_copies(message_id);
CREATE INDEX message_copies_by_contact_id ON message_copies(contact_id);

CREATE TABLE attachments (
  id TEXT NOT NULL PRIMARY KEY,
  message_id TEXT NOT NULL REFERENCES messages(id),
  file_name TEXT NOT NULL,
  size_kb INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind IN ('document', 'image', 'spreadsheet', 'archive')),
  UNIQUE (message_id, file_name)
) STRICT;
CREATE INDEX attachments_by_message_id ON attachments(message_id);

CREATE TABLE thread_labels (
  thread_id TEXT NOT NULL REFERENCES threads(id),
  label_id TEXT NOT NULL REFERENCES labels(id),
  PRIMARY KEY (thread_id, label_id)
) STRICT;
CREATE INDEX thread_labels_by_thread_id ON thread_labels(thread_id);
CREATE INDEX thread_labels_by_label_id ON thread_labels(label_id);

CREATE TABLE mail_filters (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  name TEXT NOT NULL,
  sender_contains TEXT,
  subject_contains TEXT,
  label_id TEXT REFERENCES labels(id),
  skip_inbox INTEGER NOT NULL CHECK (skip_inbox IN (0, 1)),
  mark_important INTEGER NOT NULL CHECK (mark_important IN (0, 1)),
  enabled INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  created_at TEXT NOT NULL,
  UNIQUE (user_id, name)
) STRICT;
CREATE INDEX mail_filters_by_user_id ON mail_filters(user_id);
CREATE INDEX mail_filters_by_label_id ON mail_filters(label_id);

CREATE TABLE scheduled_mails (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  to_address TEXT NOT NULL,
  subject TEXT NOT NULL,
  body TEXT NOT NULL,
  send_at TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('scheduled', 'sent', 'cancelled')),
  UNIQUE (user_id, subject)
) STRICT;
CREATE INDEX scheduled_mails_by_user_id ON scheduled_mails(user_id);

CREATE TABLE forwarding_addresses (
  id TEXT NOT NULL PRIMARY KEY,
  user_id TEXT NOT NULL REFERENCES users(id),
  address TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'verified')),
  forwards INTEGER NOT NULL CHECK (forwards IN (0, 1)),
  keep_copy INTEGER NOT NULL CHECK (keep_copy IN (0, 1)),
  code TEXT NOT NULL,
  added_on TEXT NOT NULL,
  UNIQUE (user_id, address)
) STRICT;
CREATE INDEX forwarding_addresses_by_user_id ON forwarding_addresses(user_id);

CREATE TABLE contact_tags (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  meaning TEXT NOT NULL,
  retired INTEGER NOT NULL CHECK (retired IN (0, 1))
) STRICT;

CREATE TABLE contact_taggings (
  contact_tag_id TEXT NOT NULL REFERENCES contact_tags(id),
  contact_id TEXT NOT NULL REFERENCES contacts(id),
  PRIMARY KEY (contact_tag_id, contact_id)
) STRICT;
CREATE INDEX contact_taggings_by_contact_tag_id ON contact_taggings(contact_tag_id);
CREATE INDEX contact_taggings_by_contact_id ON contact_taggings(contact_id);

CREATE TABLE contact_reminders (
  id TEXT NOT NULL PRIMARY KEY,
  owner_id TEXT NOT NULL REFERENCES users(id),
  contact_id TEXT NOT NULL REFERENCES contacts(id),
  due_on TEXT NOT NULL,
  note TEXT NOT NULL,
  snoozes INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('active', 'done'))
) STRICT;
CREATE INDEX contact_reminders_by_owner_id ON contact_reminders(owner_id);
CREATE INDEX contact_reminders_by_contact_id ON contact_reminders(contact_id);
