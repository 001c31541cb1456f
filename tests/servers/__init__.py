"""Real servers for tests, each in a folder of its own on free ports of the loopback, gone when its test process is."""
