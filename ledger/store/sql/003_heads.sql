-- Case heads: for each size at which they were stated, one row per stream, and the hashes above the rows, as tiles.
--
-- All of it can be made again from the entries, and nobody is told anything from here that was not first checked
-- against the root that the clock stated in the log. So tiles of old sizes may be deleted, and are.

CREATE TABLE ledger.head_tiles (
    size    bigint   NOT NULL,                                      -- leaves of the log before which the rows were so
    level   smallint NOT NULL CHECK (level BETWEEN 0 AND 7),        -- 0: rows; above: hashes, as in a tile of the log
    index   bigint   NOT NULL,                                      -- from row, or hash, number index * 256
    first   bytea    CHECK ((first IS NOT NULL) = (level = 0)),     -- SHA-256 of the first row's stream
    content bytea    NOT NULL CHECK (octet_length(content) BETWEEN 32 AND 18432),  -- 72 bytes a row, 32 a hash
    PRIMARY KEY (size, level, index)
);
ALTER TABLE ledger.head_tiles ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX head_tiles_by_first ON ledger.head_tiles (size, first) WHERE level = 0;

GRANT SELECT ON ledger.head_tiles TO mingjian_writer, mingjian_sequencer, mingjian_reader;
GRANT INSERT, DELETE ON ledger.head_tiles TO mingjian_writer;
