"""Reads a SAM template into values that everything else runs by."""
