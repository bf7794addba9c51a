CREATE TABLE developers (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  username TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('active', 'suspended')),
  team TEXT NOT NULL
) STRICT;

CREATE TABLE repositories (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  about_it TEXT NOT NULL,
  language TEXT NOT NULL,
  default_branch TEXT NOT NULL,
  archived INTEGER NOT NULL CHECK (archived IN (0, 1))
) STRICT;

CREATE TABLE collaborators (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  developer_id TEXT NOT NULL REFERENCES developers(id),
  role TEXT NOT NULL CHECK (role IN ('read', 'triage', 'write', 'maintain', 'admin')),
  since TEXT NOT NULL,
  UNIQUE (repository_id, developer_id)
) STRICT;
CREATE INDEX collaborators_by_repository_id ON collaborators(repository_id);
CREATE INDEX collaborators_by_developer_id ON collaborators(developer_id);

CREATE TABLE branches (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  name TEXT NOT NULL,
  tip_message TEXT NOT NULL,
  author_id TEXT NOT NULL REFERENCES developers(id),
  ahead_by INTEGER NOT NULL,
  behind_by INTEGER NOT NULL,
  conflicts INTEGER NOT NULL CHECK (conflicts IN (0, 1)),
  last_commit_on TEXT NOT NULL,
  UNIQUE (repository_id, name)
) STRICT;
CREATE INDEX branches_by_repository_id ON branches(repository_id);
CREATE INDEX branches_by_author_id ON branches(author_id);

CREATE TABLE protection_rules (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  branch_name TEXT NOT NULL,
  required_approvals INTEGER NOT NULL,
  require_checks INTEGER NOT NULL CHECK (require_checks IN (0, 1)),
  linear_history INTEGER NOT NULL CHECK (linear_history IN (0, 1)),
  UNIQUE (repository_id, branch_name)
) STRICT;
CREATE INDEX protection_rules_by_repository_id ON protection_rules(repository_id);

CREATE TABLE pull_requests (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  number INTEGER NOT NULL,
  title TEXT NOT NULL,
  author_id TEXT NOT NULL REFERENCES developers(id),
  head_branch_id TEXT REFERENCES branches(id),
  head_name TEXT NOT NULL,
  base_name TEXT NOT NULL,
  folder TEXT NOT NULL CHECK (folder IN ('api', 'ui', 'infra', 'docs')),
  additions INTEGER NOT NULL,
  deletions INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('draft', 'open', 'merged', 'closed')),
  merge_method TEXT CHECK (merge_method IN ('merge', 'squash', 'rebase')),
  opened_on TEXT NOT NULL,
  merged_on TEXT,
  UNIQUE (repository_id, number)
) STRICT;
CREATE INDEX pull_requests_by_repository_id ON pull_requests(repository_id);
CREATE INDEX pull_requests_by_author_id ON pull_requests(author_id);
CREATE INDEX pull_requests_by_head_branch_id ON pull_requests(head_branch_id);

CREATE TABLE reviews (
  id TEXT NOT NULL PRIMARY KEY,
  pull_request_id TEXT NOT NULL REFERENCES pull_requests(id),
  reviewer_id TEXT NOT NULL REFERENCES developers(id),
  verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'changes_requested', 'commented', 'dismissed')),
  submitted_on TEXT NOT NULL,
  UNIQUE (pull_request_id, reviewer_id)
) STRICT;
CREATE INDEX reviews_by_pull_request_id ON reviews(pull_request_id);
CREATE INDEX reviews_by_reviewer_id ON reviews(reviewer_id);

CREATE TABLE review_requests (
  id TEXT NOT NULL PRIMARY KEY,
  pull_request_id TEXT NOT NULL REFERENCES pull_requests(id),
  reviewer_id TEXT NOT NULL REFERENCES developers(id),
  requested_on TEXT NOT NULL,
  UNIQUE (pull_request_id, reviewer_id)
) STRICT;
CREATE INDEX review_requests_by_pull_request_id ON review_requests(pull_request_id);
CREATE INDEX review_requests_by_reviewer_id ON review_requests(reviewer_id);

CREATE TABLE check_runs (
  id TEXT NOT NULL PRIMARY KEY,
  pull_request_id TEXT NOT NULL REFERENCES pull_requests(id),
  name TEXT NOT NULL,
  required INTEGER NOT NULL CHECK (required IN (0, 1)),
  conclusion TEXT NOT NULL CHECK (conclusion IN ('success', 'failure', 'cancelled', 'pending')),
  attempt INTEGER NOT NULL,
  seconds INTEGER NOT NULL,
  UNIQUE (pull_request_id, name)
) STRICT;
CREATE INDEX check_runs_by_pull_request_id ON check_runs(pull_request_id);

CREATE TABLE releases (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  tag TEXT NOT NULL,
  major INTEGER NOT NULL,
  minor INTEGER NOT NULL,
  patch INTEGER NOT NULL,
  title TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('draft', 'prerelease', 'published', 'withdrawn')),
  published_on TEXT,
  UNIQUE (repository_id, tag)
) STRICT;
CREATE INDEX releases_by_repository_id ON releases(repository_id);

CREATE TABLE issues (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  number INTEGER NOT NULL,
  title TEXT NOT NULL,
  severity TEXT NOT NULL CHECK (severity IN ('low', 'medium', 'high')),
  assignee_id TEXT REFERENCES developers(id),
  status TEXT NOT NULL CHECK (status IN ('open', 'closed')),
  close_reason TEXT CHECK (close_reason IN ('completed', 'not_planned', 'duplicate')),
  opened_on TEXT NOT NULL,
  UNIQUE (repository_id, number)
) STRICT;
CREATE INDEX issues_by_repository_id ON issues(repository_id);
CREATE INDEX issues_by_assignee_id ON issues(assignee_id);

CREATE TABLE linked_issues (
  pull_request_id TEXT NOT NULL REFERENCES pull_requests(id),
  issue_id TEXT NOT NULL REFERENCES issues(id),
  PRIMARY KEY (pull_request_id, issue_id)
) STRICT;
CREATE INDEX linked_issues_by_pull_request_id ON linked_issues(pull_request_id);
CREATE INDEX linked_issues_by_issue_id ON linked_issues(issue_id);

CREATE TABLE webhooks (
  id TEXT NOT NULL PRIMARY KEY,
  repository_id TEXT NOT NULL REFERENCES repositories(id),
  url TEXT NOT NULL,
  event TEXT NOT NULL CHECK (event IN ('push', 'pull_request', 'release', 'check')),
  active INTEGER NOT NULL CHECK (active IN (0, 1)),
  failures INTEGER NOT NULL,
  UNIQUE (repository_id, url)
) STRICT;
CREATE INDEX webhooks_by_repository_id ON webhooks(repository_id);

CREATE TABLE pull_request_tags (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  meaning TEXT NOT NULL,
  retired INTEGER NOT NULL CHECK (retired IN (0, 1))
) STRICT;

CREATE TABLE pull_request_taggings (
  pull_request_tag_id TEXT NOT NULL REFERENCES pull_request_tags(id),
  pull_request_id TEXT NOT NULL REFERENCES pull_requests(id),
  PRIMARY KEY (pull_request_tag_id, pull_request_id)
) STRICT;
CREATE INDEX pull_request_taggings_by_pull_request_tag_id ON pull_request_taggings(pull_request_tag_id);
CREATE INDEX pull_request_taggings_by_pull_request_id ON pull_request_taggings(pull_request_id);
