-- Requests hold secrets, and a plain hash of one lets a short secret be guessed. Hashes are keyed from now on; the old ones go.
UPDATE runs SET idempotency_hash = NULL;
