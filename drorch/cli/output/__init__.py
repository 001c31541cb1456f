"""What the command line shows: escaped, as plain text, as a table or as JSON lines."""
