"""The whole template, up and running."""
