-- The sequencer owns nothing.
--
-- A partition of ledger.leaves is made by whoever owns the tables, at the sequencer's asking, through one function.
-- Were the partitions its own, it could switch off their triggers, or drop them: an owner needs no privilege for that.

CREATE FUNCTION ledger.make_partition(number bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text := format('leaves_%s', lpad(number::text, 6, '0'));
    low  bigint := number * 16777216;                               -- 2^24 leaves each
BEGIN
    IF to_regclass(format('ledger.%I', name)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE ledger.%I PARTITION OF ledger.leaves FOR VALUES FROM (%s) TO (%s)',
        name, low, low + 16777216);
    EXECUTE format('CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.%I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid()', name);
    EXECUTE format('GRANT SELECT ON ledger.%I TO mingjian_writer, mingjian_sequencer, mingjian_reader', name);
END $$;
REVOKE EXECUTE ON FUNCTION ledger.make_partition(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.make_partition(bigint) TO mingjian_sequencer;

DO $$
DECLARE
    part regclass;
BEGIN
    FOR part IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'ledger.leaves'::regclass LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO CURRENT_USER', part);
        EXECUTE format('REVOKE ALL ON %s FROM mingjian_sequencer', part);
        EXECUTE format('GRANT SELECT ON %s TO mingjian_sequencer', part);
    END LOOP;
END $$;
ALTER TABLE ledger.leaves OWNER TO CURRENT_USER;
REVOKE ALL ON ledger.leaves FROM mingjian_sequencer;
GRANT SELECT, INSERT ON ledger.leaves TO mingjian_sequencer;
REVOKE CREATE ON SCHEMA ledger FROM mingjian_sequencer;

-- What was said aloud for statements and leaves holds for the rest of the tree too.
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.governing
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.nodes
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.batches
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.voided
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();
