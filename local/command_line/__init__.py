"""`python -m local`: what a person types and sees."""
