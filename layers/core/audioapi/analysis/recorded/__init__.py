"""Analyses of recordings and of timelines, which are whole when they come."""
