"""Files: how a tree of files is read out and put back, with all its metadata."""
