"""Logs of other systems in and out: parsed, checked and spooled before anything is written."""
