"""Audio, and nothing but audio: no AWS, no HTTP, nothing else of this package."""
