"""Control: what may be asked of a running daemon over its Unix socket, by whom, and how it is answered.

Promise: no caller makes the daemon wait, read a path or start a command of their own; who asked is told with every
request. JSON lines: a request is {"verb": ...} with its arguments, an answer {"verb": value} or {"error": {...}}.
"""
