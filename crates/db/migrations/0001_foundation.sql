-- One text for SQLite and PostgreSQL; {TEXT} and {AUTO} are filled in by dialect.rs.
-- Times are milliseconds since the Unix epoch, booleans 0 or 1, documents JSON text.

CREATE TABLE meta (
    key {TEXT} PRIMARY KEY,
    value {TEXT} NOT NULL
);

CREATE TABLE members (
    id {TEXT} PRIMARY KEY,
    url {TEXT} NOT NULL,
    version {TEXT} NOT NULL,
    started_at BIGINT NOT NULL,
    heartbeat_at BIGINT NOT NULL,
    agents BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE leases (
    name {TEXT} PRIMARY KEY,
    holder {TEXT} NOT NULL,
    fence BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE users (
    name {TEXT} PRIMARY KEY,
    display_name {TEXT} NOT NULL,
    service_account BIGINT NOT NULL,
    enabled BIGINT NOT NULL,
    password_hash {TEXT},
    totp_sealed {TEXT},
    totp_confirmed BIGINT NOT NULL DEFAULT 0,
    totp_last_step BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL
);

CREATE TABLE sessions (
    id {TEXT} PRIMARY KEY,
    user_name {TEXT} NOT NULL REFERENCES users (name),
    csrf {TEXT} NOT NULL,
    client {TEXT} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    stepped_up_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX sessions_by_user ON sessions (user_name, expires_at);

CREATE TABLE api_keys (
    id {TEXT} PRIMARY KEY,
    hash {TEXT} NOT NULL UNIQUE,
    user_name {TEXT} NOT NULL REFERENCES users (name),
    name {TEXT} NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE login_failures (
    key {TEXT} PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);

CREATE TABLE objects (
    kind {TEXT} NOT NULL,
    namespace {TEXT} NOT NULL,
    name {TEXT} NOT NULL,
    revision BIGINT NOT NULL,
    labels {TEXT} NOT NULL,
    spec {TEXT} NOT NULL,
    digest {TEXT} NOT NULL,
    author {TEXT} NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, namespace, name)
);

CREATE TABLE object_revisions (
    kind {TEXT} NOT NULL,
    namespace {TEXT} NOT NULL,
    name {TEXT} NOT NULL,
    revision BIGINT NOT NULL,
    labels {TEXT} NOT NULL,
    spec {TEXT} NOT NULL,
    digest {TEXT} NOT NULL,
    author {TEXT} NOT NULL,
    updated_at BIGINT NOT NULL,
    deleted BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (kind, namespace, name, revision)
);

CREATE TABLE join_tokens (
    id {TEXT} PRIMARY KEY,
    hash {TEXT} NOT NULL UNIQUE,
    labels {TEXT} NOT NULL,
    uses_left BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    created_by {TEXT} NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE TABLE nodes (
    id {TEXT} PRIMARY KEY,
    name {TEXT} NOT NULL,
    labels {TEXT} NOT NULL,
    facts {TEXT} NOT NULL,
    version {TEXT} NOT NULL,
    age_recipient {TEXT} NOT NULL,
    certificate_serial {TEXT} NOT NULL,
    certificate_expires_at BIGINT NOT NULL,
    joined_at BIGINT NOT NULL,
    last_seen_at BIGINT,
    removed_at BIGINT
);
-- A name is unique among the nodes that are still there.
CREATE UNIQUE INDEX nodes_by_name ON nodes (name) WHERE removed_at IS NULL;

CREATE TABLE node_sessions (
    node_id {TEXT} PRIMARY KEY,
    server_id {TEXT} NOT NULL,
    session BIGINT NOT NULL,
    connected_at BIGINT NOT NULL
);
CREATE INDEX node_sessions_by_server ON node_sessions (server_id);

CREATE TABLE runs (
    id {TEXT} PRIMARY KEY,
    namespace {TEXT} NOT NULL,
    template {TEXT} NOT NULL,
    revision BIGINT NOT NULL,
    title {TEXT} NOT NULL,
    requester {TEXT} NOT NULL,
    author {TEXT} NOT NULL,
    reason {TEXT} NOT NULL,
    phase {TEXT} NOT NULL,
    digest {TEXT} NOT NULL,
    manifest {TEXT} NOT NULL,
    node_count BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    approve_by BIGINT NOT NULL,
    not_before BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    message {TEXT} NOT NULL DEFAULT '',
    batches BIGINT NOT NULL DEFAULT 0,
    batch_ended_at BIGINT,
    gates_opened BIGINT NOT NULL DEFAULT 0,
    at_gate BIGINT NOT NULL DEFAULT 0,
    cancelling BIGINT NOT NULL DEFAULT 0,
    cancelled_by {TEXT},
    wake_at BIGINT,
    replay_of {TEXT},
    idempotency_key {TEXT},
    idempotency_hash {TEXT}
);
CREATE INDEX runs_by_time ON runs (created_at, id);
CREATE INDEX runs_by_template ON runs (namespace, template, created_at);
CREATE INDEX runs_open ON runs (phase, wake_at) WHERE phase IN ('pending', 'approved', 'running');
CREATE UNIQUE INDEX runs_by_idempotency_key ON runs (requester, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE run_nodes (
    run_id {TEXT} NOT NULL REFERENCES runs (id),
    idx BIGINT NOT NULL,
    node_id {TEXT} NOT NULL,
    node_name {TEXT} NOT NULL,
    sealed_secrets {TEXT},
    PRIMARY KEY (run_id, idx)
);

CREATE TABLE approvals (
    run_id {TEXT} NOT NULL REFERENCES runs (id),
    person {TEXT} NOT NULL,
    decision {TEXT} NOT NULL,
    digest {TEXT} NOT NULL,
    comment {TEXT} NOT NULL,
    at BIGINT NOT NULL,
    rules {TEXT} NOT NULL DEFAULT '[]',
    signature {TEXT},
    PRIMARY KEY (run_id, person)
);

CREATE TABLE tasks (
    run_id {TEXT} NOT NULL REFERENCES runs (id),
    idx BIGINT NOT NULL,
    node_id {TEXT} NOT NULL,
    node_name {TEXT} NOT NULL,
    namespace {TEXT} NOT NULL,
    template {TEXT} NOT NULL,
    phase {TEXT} NOT NULL,
    created_at BIGINT NOT NULL,
    batch BIGINT,
    assigned_at BIGINT,
    -- When to stop waiting: for the start while assigned, for the end while started.
    deadline_at BIGINT,
    started_at BIGINT,
    finished_at BIGINT,
    exit_code BIGINT,
    reason {TEXT} NOT NULL DEFAULT '',
    check_failed BIGINT NOT NULL DEFAULT 0,
    detail {TEXT} NOT NULL DEFAULT '{}',
    PRIMARY KEY (run_id, idx)
);
CREATE INDEX tasks_by_phase ON tasks (run_id, phase);
CREATE INDEX tasks_by_time ON tasks (created_at, run_id, idx);
CREATE INDEX tasks_open ON tasks (node_id, phase) WHERE phase IN ('assigned', 'started');
CREATE INDEX tasks_by_deadline ON tasks (deadline_at) WHERE phase IN ('assigned', 'started');

CREATE TABLE outputs (
    id {AUTO},
    run_id {TEXT} NOT NULL,
    idx BIGINT NOT NULL,
    chunk BIGINT NOT NULL,
    segments {TEXT} NOT NULL,
    UNIQUE (run_id, idx, chunk)
);

CREATE TABLE events (
    seq {AUTO},
    type {TEXT} NOT NULL,
    subject {TEXT} NOT NULL,
    namespace {TEXT},
    run_id {TEXT},
    actor {TEXT} NOT NULL,
    at BIGINT NOT NULL,
    data {TEXT} NOT NULL
);
CREATE INDEX events_by_run ON events (run_id, seq);

-- Committed events that have no place in the log yet, and the places given out.
CREATE TABLE unsealed (
    seq BIGINT PRIMARY KEY
);
CREATE TABLE event_positions (
    position BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL UNIQUE
);
