"""What was told to whom. Written by reporting only."""
