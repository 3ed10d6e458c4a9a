-- How many nodes were connected, day by day (days since the Unix epoch, in UTC).
CREATE TABLE node_days (
    day BIGINT PRIMARY KEY,
    least BIGINT NOT NULL,
    most BIGINT NOT NULL,
    total BIGINT NOT NULL
);
