CREATE TABLE listeners (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  email TEXT NOT NULL UNIQUE,
  country TEXT NOT NULL CHECK (country IN ('us', 'ca', 'gb', 'de')),
  plan TEXT NOT NULL CHECK (plan IN ('free', 'individual', 'family')),
  explicit_filter INTEGER NOT NULL CHECK (explicit_filter IN (0, 1)),
  joined_on TEXT NOT NULL
) STRICT;

CREATE TABLE artists (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  genre TEXT NOT NULL CHECK (genre IN ('indie', 'folk', 'latin', 'electronic', 'jazz', 'rock', 'classical', 'soul')),
  hometown TEXT NOT NULL,
  monthly_listeners INTEGER NOT NULL
) STRICT;

CREATE TABLE albums (
  id TEXT NOT NULL PRIMARY KEY,
  title TEXT NOT NULL UNIQUE,
  artist_id TEXT NOT NULL REFERENCES artists(id),
  kind TEXT NOT NULL CHECK (kind IN ('album', 'ep', 'single', 'live')),
  released_on TEXT NOT NULL,
  label TEXT NOT NULL,
  size_mb INTEGER NOT NULL
) STRICT;
CREATE INDEX albums_by_artist_id ON albums(artist_id);

CREATE TABLE tracks (
  id TEXT NOT NULL PRIMARY KEY,
  title TEXT NOT NULL UNIQUE,
  album_id TEXT NOT NULL REFERENCES albums(id),
  track_no INTEGER NOT NULL,
  duration_s INTEGER NOT NULL,
  explicit INTEGER NOT NULL CHECK (explicit IN (0, 1)),
  blocked_country TEXT CHECK (blocked_country IN ('us', 'ca', 'gb', 'de'))
) STRICT;
CREATE INDEX tracks_by_album_id ON tracks(album_id);

CREATE TABLE artist_follows (
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  artist_id TEXT NOT NULL REFERENCES artists(id),
  release_alerts INTEGER NOT NULL CHECK (release_alerts IN (0, 1)),
  followed_at TEXT NOT NULL,
  PRIMARY KEY (listener_id, artist_id)
) STRICT;
CREATE INDEX artist_follows_by_listener_id ON artist_follows(listener_id);
CREATE INDEX artist_follows_by_artist_id ON artist_follows(artist_id);

CREATE TABLE saved_albums (
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  album_id TEXT NOT NULL REFERENCES albums(id),
  saved_at TEXT NOT NULL,
  PRIMARY KEY (listener_id, album_id)
) STRICT;
CREATE INDEX saved_albums_by_listener_id ON saved_albums(listener_id);
CREATE INDEX saved_albums_by_album_id ON saved_albums(album_id);

CREATE TABLE liked_tracks (
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  track_id TEXT NOT NULL REFERENCES tracks(id),
  liked_at TEXT NOT NULL,
  PRIMARY KEY (listener_id, track_id)
) STRICT;
CREATE INDEX liked_tracks_by_listener_id ON liked_tracks(listener_id);
CREATE INDEX liked_tracks_by_track_id ON liked_tracks(track_id);

CREATE TABLE folders (
  id TEXT NOT NULL PRIMARY KEY,
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  name TEXT NOT NULL,
  UNIQUE (listener_id, name)
) STRICT;
CREATE INDEX folders_by_listener_id ON folders(listener_id);

CREATE TABLE playlists (
  id TEXT NOT NULL PRIMARY KEY,
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  name TEXT NOT NULL,
  visibility TEXT NOT NULL CHECK (visibility IN ('personal', 'link', 'open')),
  collaborative INTEGER NOT NULL CHECK (collaborative IN (0, 1)),
  folder_id TEXT REFERENCES folders(id),
  created_on TEXT NOT NULL,
  UNIQUE (listener_id, name)
) STRICT;
CREATE INDEX playlists_by_listener_id ON playlists(listener_id);
CREATE INDEX playlists_by_folder_id ON playlists(folder_id);

CREATE TABLE playlist_members (
  id TEXT NOT NULL PRIMARY KEY,
  playlist_id TEXT NOT NULL REFERENCES playlists(id),
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  status TEXT NOT NULL CHECK (status IN ('invited', 'active')),
  invited_at TEXT NOT NULL,
  UNIQUE (playlist_id, listener_id)
) STRICT;
CREATE INDEX playlist_members_by_playlist_id ON playlist_members(playlist_id);
CREATE INDEX playlist_members_by_listener_id ON playlist_members(listener_id);

CREATE TABLE playlist_tracks (
  playlist_id TEXT NOT NULL REFERENCES playlists(id),
  track_id TEXT NOT NULL REFERENCES tracks(id),
  added_by_id TEXT NOT NULL REFERENCES listeners(id),
  added_at TEXT NOT NULL,
  PRIMARY KEY (playlist_id, track_id)
) STRICT;
CREATE INDEX playlist_tracks_by_playlist_id ON playlist_tracks(playlist_id);
CREATE INDEX playlist_tracks_by_track_id ON playlist_tracks(track_id);
CREATE INDEX playlist_tracks_by_added_by_id ON playlist_tracks(added_by_id);

CREATE TABLE plays (
  id TEXT NOT NULL PRIMARY KEY,
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  track_id TEXT NOT NULL REFERENCES tracks(id),
  played_at TEXT NOT NULL
) STRICT;
CREATE INDEX plays_by_listener_id ON plays(listener_id);
CREATE INDEX plays_by_track_id ON plays(track_id);

CREATE TABLE queue_items (
  id TEXT NOT NULL PRIMARY KEY,
  listener_id TEXT NOT NULL REFERENCES listeners(id),
  track_id TEXT NOT NULL REFERENCES tracks(id),
  position INTEGER NOT NULL,
  UNIQUE (listener_id, track_id)
) STRICT;
CREATE INDEX queue_items_by_listener_id ON queue_items(listener_id);
CREATE INDEX queue_items_by_track_id ON queue_items(track_id);

CREATE TABLE album_tickets (
  id TEXT NOT NULL PRIMARY KEY,
  number TEXT NOT NULL UNIQUE,
  owner_id TEXT NOT NULL REFERENCES listeners(id),
  album_id TEXT NOT NULL REFERENCES albums(id),
  topic TEXT NOT NULL CHECK (topic IN ('billing', 'quality', 'access', 'information')),
  status TEXT NOT NULL CHECK (status IN ('open', 'closed')),
  escalated INTEGER NOT NULL CHECK (escalated IN (0, 1)),
  opened_at TEXT NOT NULL,
  closed_on TEXT
) STRICT;
CREATE INDEX album_tickets_by_owner_id ON album_tickets(owner_id);
CREATE INDEX album_tickets_by_album_id ON album_tickets(album_id);

CREATE TABLE album_ticket_replies (
  id TEXT NOT NULL PRIMARY KEY,
  album_ticket_id TEXT NOT NULL REFERENCES album_tickets(id),
  sender TEXT NOT NULL CHECK (sender IN ('me', 'desk')),
  body TEXT NOT NULL,
  sent_at TEXT NOT NULL
) STRICT;
CREATE INDEX album_ticket_replies_by_album_ticket_id ON album_ticket_replies(album_ticket_id);
