"""Analysers of how it was said."""
