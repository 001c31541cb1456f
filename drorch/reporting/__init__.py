"""What people are told: mail, PDF, notifications, metrics, the status page."""
