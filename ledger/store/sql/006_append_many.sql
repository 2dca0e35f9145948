-- Many statements at once are copied into the tables by whoever appends them: arrays of them were taken apart at more
-- cost than the rows had. What must come before any row stays here: 001 says of ledger.append what holds for this, too.
--
-- Returns the epoch now, or -1 - (current epoch) when the caller's is stale and nothing may be written.

DROP FUNCTION ledger.append_acts(bigint, text[], integer[], bytea[], bytea[], bytea[], bytea[], bytea[], bytea[]);

CREATE FUNCTION ledger.begin_acts(p_epoch bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_epoch bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4823093174209357);
    SELECT epoch INTO now_epoch FROM ledger.governing ORDER BY epoch DESC LIMIT 1;
    IF now_epoch <> p_epoch THEN
        RETURN -1 - now_epoch;
    END IF;
    RETURN p_epoch;
END $$;
