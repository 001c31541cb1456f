"""The command line: parse, call app, render, exit. One file per command."""

from drorch.cli.entry import main

__all__ = ["main"]
