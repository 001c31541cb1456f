"""The operator's nouns: frozen, no input or output."""
