-- The last position given out. Whoever holds this row may give out the next ones; on SQLite, with its one writer, nobody asks.
CREATE TABLE log_head (
    position BIGINT NOT NULL
);
INSERT INTO log_head (position) SELECT COALESCE(max(position), 0) FROM event_positions;

-- Only the sealer held a lease. A server of the version before, still running, now gives out no positions.
DROP TABLE leases;
