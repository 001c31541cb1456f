"""What a target keeps of the contract, found out by doing it in a scratch place on the target itself."""
