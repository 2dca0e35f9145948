"""Where statements lie. No table of the schema ``ledger`` is read or written from elsewhere.

    database, embedded, keeper  connections under three roles; a server of the folder's own
    genesis                     entries 0 and 1
    recorder                    the append, and what the door must know before it
    sequencer                   each statement's one place in the tree
    reading, walking            by leaf index, stream and tile, proved; whole kinds of streams
    standing                    what waits for a place, and why
    heads, erasures             case heads; what was erased by whose statement
    published, cosigner         files for outsiders, and their witnesses' signatures
    time_tokens                 outside time
    sweep, restoring            what is stored twice, compared; what was lost, put back
    vault                       clear values, outside the database

``sql`` holds the schema, as prose.
"""
