-- What signatures are judged by, and what nodes signed.

CREATE TABLE trust_roots (
    version BIGINT PRIMARY KEY,
    digest {TEXT} NOT NULL UNIQUE,
    envelope {TEXT} NOT NULL,
    published_at BIGINT NOT NULL,
    published_by {TEXT} NOT NULL
);

-- The public keys nodes ever had: results are verified long after a node is gone.
CREATE TABLE node_keys (
    digest {TEXT} PRIMARY KEY,
    node_id {TEXT} NOT NULL,
    spki {TEXT} NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX node_keys_by_node ON node_keys (node_id);

ALTER TABLE nodes ADD COLUMN trust {TEXT} NOT NULL DEFAULT '{}';
ALTER TABLE nodes ADD COLUMN trust_alarm {TEXT} NOT NULL DEFAULT '';

ALTER TABLE runs ADD COLUMN break_glass {TEXT};
ALTER TABLE runs ADD COLUMN ratification {TEXT};
CREATE INDEX runs_by_break_glass ON runs (break_glass, created_at) WHERE break_glass IS NOT NULL;

CREATE TABLE ratifications (
    run_id {TEXT} NOT NULL REFERENCES runs (id),
    person {TEXT} NOT NULL,
    envelope {TEXT} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (run_id, person)
);

CREATE TABLE results (
    run_id {TEXT} NOT NULL,
    idx BIGINT NOT NULL,
    envelope {TEXT} NOT NULL,
    PRIMARY KEY (run_id, idx)
);

-- The audit log's tree, 256 hashes of one level a row, in base64; and its signed heads.
CREATE TABLE audit_tiles (
    level BIGINT NOT NULL,
    idx BIGINT NOT NULL,
    hashes {TEXT} NOT NULL,
    PRIMARY KEY (level, idx)
);
CREATE TABLE audit_heads (
    size BIGINT PRIMARY KEY,
    note {TEXT} NOT NULL,
    at BIGINT NOT NULL
);
