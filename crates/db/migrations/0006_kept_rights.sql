-- Requests hold secrets, and a plain hash of one lets a short secret be guessed. Hashes are keyed from now on; the old ones go.
UPDATE runs SET idempotency_hash = NULL;

-- What each person could fill is kept with the decision; it counts only for that, whatever they win later. Of decisions on runs
-- that have not begun it was not kept: these count for what their people may fill at the start, as they did.
UPDATE approvals SET rules = '[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31]'
WHERE run_id IN (SELECT id FROM runs WHERE phase IN ('pending', 'approved'));

-- Names that failed to sign in were kept as they were typed, which may have been passwords.
DELETE FROM login_failures;
CREATE INDEX login_failures_by_time ON login_failures (last_at);
