"""Footage becomes facts: recorder, health, clips, redaction."""
