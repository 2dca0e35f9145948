"""The routes, one file per subject. Each ``routes(hall, access)`` gives a router over an open ledger."""
