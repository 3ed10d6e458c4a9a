-- What people sign in and sign with, besides passwords.

-- `spec` is the key as trust roots write it, JSON. Passkeys have a credential id, which no two accounts may share.
CREATE TABLE account_keys (
    id {TEXT} PRIMARY KEY,
    user_name {TEXT} NOT NULL REFERENCES users (name),
    kind {TEXT} NOT NULL,
    name {TEXT} NOT NULL,
    key_id {TEXT} NOT NULL,
    spec {TEXT} NOT NULL,
    credential_id {TEXT} UNIQUE,
    transports {TEXT} NOT NULL,
    counter BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT,
    UNIQUE (user_name, key_id)
);

-- Challenges that await a passkey's answer, by their hash; each is answered once.
CREATE TABLE challenges (
    hash {TEXT} PRIMARY KEY,
    purpose {TEXT} NOT NULL,
    user_name {TEXT} NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX challenges_by_end ON challenges (expires_at);

-- First answers to requests with an idempotency key, together with the hash of the request, sealed with the master key.
CREATE TABLE answers (
    user_name {TEXT} NOT NULL,
    operation {TEXT} NOT NULL,
    idempotency_key {TEXT} NOT NULL,
    sealed {TEXT} NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (user_name, operation, idempotency_key)
);
CREATE INDEX answers_by_end ON answers (expires_at);
