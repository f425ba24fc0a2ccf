"""Recordings in the background: sound, facts, transcript and memories of a file in the bucket."""
