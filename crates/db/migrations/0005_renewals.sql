-- How often a node's certificate was renewed, and since when that is counted.
ALTER TABLE nodes ADD COLUMN renewals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE nodes ADD COLUMN renewals_since BIGINT NOT NULL DEFAULT 0;

-- The events that say which key is which node's are looked up by node.
CREATE INDEX events_of_node_keys ON events (subject, seq) WHERE type IN ('synod.node.joined', 'synod.node.certificate_renewed');
-- And those that say since when which trust root holds.
CREATE INDEX events_of_roots ON events (seq) WHERE type = 'synod.trust.root_published';
