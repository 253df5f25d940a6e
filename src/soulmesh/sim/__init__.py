"""A network without a network: the virtual loop, simulated hosts, populations, scenarios, measures."""
