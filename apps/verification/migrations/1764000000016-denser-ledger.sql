-- 60 left a third of each page of the ledger empty for ever. At 75 as many outcomes stay in the page of their attempt.
ALTER TABLE verification.attempts SET (fillfactor = 75);
