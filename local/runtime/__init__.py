"""Lambda: functions in processes of their own, which one call at a time comes to."""
