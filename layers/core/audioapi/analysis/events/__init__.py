"""What a conversation's consumer is sent, and how."""
