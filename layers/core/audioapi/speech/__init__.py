"""Speech: where it is, what is said, and when.

Knows audio and text, and of AWS only what `amazon` has of Amazon Transcribe.
"""
