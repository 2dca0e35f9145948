-- The ledger's tables, as prose.
--
-- A statement is inserted once and never touched again. Where it stands in the tree is unknown at that moment and
-- is never written back: the sequencer, and nobody else, gives it a leaf index in a table of its own. So a reader
-- follows the leaf index, which has no gaps and no late comers; the insertion id has both.
--
-- Privileges are part of the design. The owner of these tables migrates them and does nothing else at run time:
--     mingjian_writer     INSERT and SELECT on statements, requests, governing; SELECT on the tree
--     mingjian_sequencer  the tree: INSERT on leaves, nodes, batches, statements (its own stream); UPDATE on head
--     mingjian_reader     SELECT
-- Nobody has UPDATE, DELETE or TRUNCATE on a statement or a leaf. A trigger says so once more, aloud, for owners.

CREATE SCHEMA ledger;

CREATE TABLE ledger.statements (
    insertion_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- order within a cut; gaps and late comers
    xid          xid8   NOT NULL DEFAULT pg_current_xact_id(),      -- the inserting transaction: the cut's measure
    id           bytea  NOT NULL CHECK (octet_length(id) = 32),     -- RFC 6962 leaf hash of entry
    stream       text   COLLATE "C" NOT NULL,                       -- sub of the entry
    seq          integer NOT NULL CHECK (seq >= 1),                 -- 1, 2, 3 … in the stream
    prev         bytea  CHECK ((prev IS NULL) = (seq = 1)),         -- id of the stream's statement before
    governs      boolean NOT NULL,                                  -- changes what is valid at the door
    epoch        bigint NOT NULL,                                   -- governing statements known when it was checked
    seal         bytea  NOT NULL,                                   -- the door's MAC over the columns above
    entry        bytea  NOT NULL CHECK (octet_length(entry) BETWEEN 1 AND 65535),
    UNIQUE (stream, seq)                                            -- two cannot follow the same one
);
ALTER TABLE ledger.statements ALTER COLUMN entry SET STORAGE EXTERNAL;
CREATE INDEX statements_by_xid ON ledger.statements (xid);

-- One row per request of an actor, for ever: the same request twice is one statement.
CREATE TABLE ledger.requests (
    request bytea PRIMARY KEY CHECK (octet_length(request) = 32),   -- SHA-256(actor | 0 | request)
    content bytea NOT NULL CHECK (octet_length(content) = 32),      -- SHA-256 of type, stream, data and _sd
    stream  text  COLLATE "C" NOT NULL,
    seq     integer NOT NULL
);

-- One row per governing statement, in the order of the exclusive lock. max(epoch) is read under the shared lock.
CREATE TABLE ledger.governing (
    epoch  bigint PRIMARY KEY,
    stream text COLLATE "C" NOT NULL,
    seq    integer NOT NULL
);

-- ------------------------------------------------------------------------------------------------ the tree

CREATE TABLE ledger.leaves (
    index        bigint NOT NULL PRIMARY KEY,                       -- 0, 1, 2 … without gaps
    insertion_id bigint NOT NULL,                                   -- the statement that stands here
    id           bytea  NOT NULL CHECK (octet_length(id) = 32)      -- its leaf hash
) PARTITION BY RANGE (index);
CREATE INDEX leaves_by_id ON ledger.leaves USING hash (id);
CREATE INDEX leaves_by_insertion ON ledger.leaves (insertion_id);

-- Roots of complete subtrees of 256^level leaves: what a hash tile of that level holds. Level 0 is leaves itself.
CREATE TABLE ledger.nodes (
    level smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
    index bigint   NOT NULL,
    hash  bytea    NOT NULL CHECK (octet_length(hash) = 32),
    PRIMARY KEY (level, index)
);

-- One row per batch: the recorded time of its statements, and the tree after it.
CREATE TABLE ledger.batches (
    first       bigint PRIMARY KEY,                                 -- leaf index of its log.batch.v1 (0: the genesis)
    size        bigint NOT NULL UNIQUE CHECK (size > first),        -- leaves after it
    recorded_us bigint NOT NULL,                                    -- µs since 1970-01-01T00:00:00Z, never decreasing
    root        bytea  NOT NULL CHECK (octet_length(root) = 32)
);

-- Statements that proved invalid after they were acknowledged: they stay, readers pass over them.
CREATE TABLE ledger.voided (
    id bytea PRIMARY KEY CHECK (octet_length(id) = 32)
);

-- The head: one row, moved by compare-and-swap on size. Everything the sequencer must remember stands in it.
CREATE TABLE ledger.head (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    size        bigint NOT NULL,
    root        bytea  NOT NULL,
    frontier    bytea  NOT NULL,                                    -- peaks of the tree, to append without reading it
    recorded_us bigint NOT NULL,                                    -- of the last batch
    batch_seq   integer NOT NULL,                                   -- last seq in the stream log
    batch_id    bytea,                                              -- its id
    epoch       bigint NOT NULL,                                    -- governing statements placed
    done_xid    xid8   NOT NULL,                                    -- every statement of a lower xid is placed or held
    target_xid  xid8,                                               -- the cut being worked off, if any
    after_id    bigint NOT NULL,                                    -- within that cut, placed up to this insertion id
    held        bigint[] NOT NULL DEFAULT '{}',                     -- seen, but their prev is not placed yet
    refused     bigint[] NOT NULL DEFAULT '{}'                      -- never acknowledged by the door, never placed
);

CREATE FUNCTION ledger.forbid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'mingjian: % on %.% is forbidden: what is recorded stays recorded', TG_OP, TG_TABLE_SCHEMA,
        TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.statements
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.requests
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();
CREATE TRIGGER forbid BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.leaves
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.forbid();

-- ---------------------------------------------------------------------------------------------- the one append
--
-- Valid at the door means valid in the tree. The caller checked its statements against the registries as of p_epoch.
-- Here the lock is taken first (shared for acts, exclusive for what governs), before any transaction id is assigned;
-- if the registries have moved since, nothing is written and the caller looks again. So every act checked before a
-- governing statement has a lower transaction id than it, every act checked after it a higher one, and the sequencer
-- keeps that order.
--
-- Returns the epoch after the append, or -1 - (current epoch) when the caller's is stale.

CREATE FUNCTION ledger.append(
    p_epoch bigint, p_governs boolean, p_streams text[], p_seqs integer[], p_prevs bytea[], p_ids bytea[],
    p_seals bytea[], p_entries bytea[], p_requests bytea[], p_contents bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    now_epoch bigint;
BEGIN
    IF p_governs THEN
        PERFORM pg_advisory_xact_lock(4823093174209357);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(4823093174209357);
    END IF;
    SELECT epoch INTO now_epoch FROM ledger.governing ORDER BY epoch DESC LIMIT 1;
    IF now_epoch <> p_epoch THEN
        RETURN -1 - now_epoch;
    END IF;
    IF array_length(p_ids, 1) = 1 THEN
        INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)
        VALUES (p_ids[1], p_streams[1], p_seqs[1], p_prevs[1], p_governs, p_epoch, p_seals[1], p_entries[1]);
        INSERT INTO ledger.requests VALUES (p_requests[1], p_contents[1], p_streams[1], p_seqs[1]);
    ELSE
        INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)
        SELECT id, stream, seq, prev, p_governs, p_epoch, seal, entry
        FROM unnest(p_ids, p_streams, p_seqs, p_prevs, p_seals, p_entries)
            AS t (id, stream, seq, prev, seal, entry);
        INSERT INTO ledger.requests
        SELECT * FROM unnest(p_requests, p_contents, p_streams, p_seqs);
    END IF;
    IF p_governs THEN
        INSERT INTO ledger.governing VALUES (p_epoch + 1, p_streams[1], p_seqs[1]);
        RETURN p_epoch + 1;
    END IF;
    RETURN p_epoch;
END $$;

-- --------------------------------------------------------------------------------------------------- privileges

GRANT USAGE ON SCHEMA ledger TO mingjian_writer, mingjian_sequencer, mingjian_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO mingjian_writer, mingjian_sequencer, mingjian_reader;
GRANT INSERT ON ledger.statements, ledger.requests, ledger.governing TO mingjian_writer, mingjian_sequencer;
GRANT INSERT ON ledger.leaves, ledger.nodes, ledger.batches, ledger.voided, ledger.head TO mingjian_sequencer;
GRANT UPDATE ON ledger.head TO mingjian_sequencer;
GRANT CREATE ON SCHEMA ledger TO mingjian_sequencer;
ALTER TABLE ledger.leaves OWNER TO mingjian_sequencer;
REVOKE UPDATE, DELETE, TRUNCATE ON ledger.leaves FROM mingjian_sequencer;
