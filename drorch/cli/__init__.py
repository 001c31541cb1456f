"""The command line: parse, call app, render, exit. One file per command."""
