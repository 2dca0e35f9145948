"""Live systems brought in: each kind with a contract, each source with a key of its own, and nothing lost.

    reading     files as raw records: JSON, JSON Lines, CSV, packed or not, in bounded memory
    contracts   what a record of each kind says, as code and as JSON Schema; a record becomes a wish
    taking      wishes through the door, once each; what cannot be taken goes to the dead letters
    hooks       who may send records over HTTP, and under which key

What comes here is live: statements of our own types, in streams ``KIND/SOURCE/REF``, under ``adapter/KIND/SOURCE``.
History of elsewhere is for ``ledger.exchange.importer``.
"""
