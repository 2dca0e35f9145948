"""People and machines at the counter: HTTP, pages, command line."""
