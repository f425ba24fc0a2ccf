"""Direct uploads: large files that go to S3 in parts, past the functions."""
