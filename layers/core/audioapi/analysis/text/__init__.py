"""Analysers of what was said."""
