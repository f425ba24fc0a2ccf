"""What invokes functions without being asked: queues and schedules."""
