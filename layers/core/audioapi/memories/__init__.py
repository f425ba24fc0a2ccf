"""Memories: windows of recordings, kept to be found, read and played back."""
