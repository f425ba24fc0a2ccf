"""Processes and tasks: who may go on, and who has to end."""
