"""Webhooks: a caller's own addresses, which are told when the caller's work is done."""
