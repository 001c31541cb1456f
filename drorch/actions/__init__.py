"""One verb per file. Actions take and return values; they print nothing and write no catalog."""
