-- The one append in two forms: of one statement, and of many.
--
-- Nearly all statements come alone, and arrays of one cost caller and server more than the row itself. What 001 says of
-- ledger.append holds for both: first the lock, then the epoch, and only then anything that takes a transaction id.
-- What governs enters alone, so the second form knows acts only. Both return the epoch after the append, or
-- -1 - (current epoch) when the caller's is stale and nothing was written.

DROP FUNCTION ledger.append(bigint, boolean, text[], integer[], bytea[], bytea[], bytea[], bytea[], bytea[], bytea[]);

CREATE FUNCTION ledger.append_one(
    p_epoch bigint, p_governs boolean, p_stream text, p_seq integer, p_prev bytea, p_id bytea,
    p_seal bytea, p_entry bytea, p_request bytea, p_content bytea
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_epoch bigint;
BEGIN
    IF p_governs THEN
        PERFORM pg_advisory_xact_lock(4823093174209357);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(4823093174209357);
    END IF;
    -- A statement of its own: what it sees is younger than the lock.
    SELECT epoch INTO now_epoch FROM ledger.governing ORDER BY epoch DESC LIMIT 1;
    IF now_epoch <> p_epoch THEN
        RETURN -1 - now_epoch;
    END IF;
    INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)
    VALUES (p_id, p_stream, p_seq, p_prev, p_governs, p_epoch, p_seal, p_entry);
    INSERT INTO ledger.requests VALUES (p_request, p_content, p_stream, p_seq);
    IF p_governs THEN
        INSERT INTO ledger.governing VALUES (p_epoch + 1, p_stream, p_seq);
        RETURN p_epoch + 1;
    END IF;
    RETURN p_epoch;
END $$;

CREATE FUNCTION ledger.append_acts(
    p_epoch bigint, p_streams text[], p_seqs integer[], p_prevs bytea[], p_ids bytea[],
    p_seals bytea[], p_entries bytea[], p_requests bytea[], p_contents bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_epoch bigint;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(4823093174209357);
    SELECT epoch INTO now_epoch FROM ledger.governing ORDER BY epoch DESC LIMIT 1;
    IF now_epoch <> p_epoch THEN
        RETURN -1 - now_epoch;
    END IF;
    INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)
    SELECT id, stream, seq, prev, false, p_epoch, seal, entry
    FROM unnest(p_ids, p_streams, p_seqs, p_prevs, p_seals, p_entries) AS t (id, stream, seq, prev, seal, entry);
    INSERT INTO ledger.requests
    SELECT * FROM unnest(p_requests, p_contents, p_streams, p_seqs);
    RETURN p_epoch;
END $$;
