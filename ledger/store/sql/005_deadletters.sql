-- Records of systems brought in that could not be taken: who sent them, where they stood, and why.
-- Operational data, no facts: a letter comes and is settled, and nothing derived reads it. What the record says stands
-- in no column: personal values lie in the vault, under the two digests.
CREATE TABLE ledger.dead_letters (
    number      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source      text   NOT NULL,
    kind        text   NOT NULL,              -- of the contract: approval, queue …, or ocds
    letter      bytea  NOT NULL UNIQUE CHECK (octet_length(letter) = 32),  -- SHA-256 of source, kind and the record
    request     bytea  CHECK (octet_length(request) = 32),  -- of the record's own id; none where it could not be read
    file        text,                         -- the name of the file; none of what came over the network
    place       bigint NOT NULL CHECK (place > 0),          -- which record of its file or call, from 1
    line        bigint CHECK (line > 0),      -- in which line it begins
    code        text   NOT NULL,              -- why, as ledger.errors spells it
    record      text   NOT NULL,              -- digest of the record in the vault
    reason      text   NOT NULL,              -- digest of the reason in words
    state       text   NOT NULL CHECK (state IN ('waiting', 'settled', 'dismissed')),
    first_us    bigint NOT NULL,              -- first and last tried, µs since 1970
    last_us     bigint NOT NULL CHECK (last_us >= first_us),
    tries       int    NOT NULL CHECK (tries > 0)
);
CREATE INDEX dead_letters_waiting ON ledger.dead_letters (source, number) WHERE state = 'waiting';
CREATE INDEX dead_letters_request ON ledger.dead_letters (request) WHERE state = 'waiting';

GRANT SELECT ON ledger.dead_letters TO mingjian_writer, mingjian_sequencer, mingjian_reader;
GRANT INSERT, UPDATE ON ledger.dead_letters TO mingjian_writer;
