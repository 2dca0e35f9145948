"""What is the case now, and as of then: one file per table, its apply and its reads together."""
