"""Ways to run a network: the contract that each keeps, and the registry in which they are found by name."""
