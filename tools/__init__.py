"""What developers and operators run beside the stack: documents, checks, keys."""
