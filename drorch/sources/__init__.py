"""How to read a thing out and how to put it back, both in one place per kind. Never sees a target."""
