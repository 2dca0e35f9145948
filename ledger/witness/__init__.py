"""A witness: it remembers, for logs that it trusts, the newest head it has signed, and never signs two histories.

Promise to everyone who asks for its line on a checkpoint: whatever this key has cosigned of one log is one history
that only grows, through any crash, any number of askers at once, and any lie of the log. What it needs for that is
one folder that nobody rolls back; it reads no entry and knows nothing of what a log is about.

    state    the folder: the key, the trusted logs, the newest cosigned checkpoint of each; durable, one process
    witness  the decision under one lock for each log: judge, save, only then answer
    server   C2SP tlog-witness over HTTP, with bounds on bytes, time and connections
    cli      ``mingjian-witness``
    ask      the other side: a log asks all witnesses of its policy, and sees when one of them holds more

What is decided and how lines are made stands in ``ledger.tree.cosignature``; the wire in ``docs/spec/witness.md``.
"""
