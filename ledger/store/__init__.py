"""Where statements lie: schema, recorder, sequencer, reads, files, vault. No table is touched from elsewhere."""
