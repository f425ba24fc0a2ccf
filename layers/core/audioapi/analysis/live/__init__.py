"""Conversations that are analysed while they are spoken."""
