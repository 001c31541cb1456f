"""Watching over the processes of launches: what they are told to do, what they say, how they end."""
