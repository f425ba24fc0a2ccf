"""Stand-ins for AWS's services, and the programs that functions need."""
