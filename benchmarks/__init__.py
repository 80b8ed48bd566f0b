"""How fast it is, as a ratio against a floor measured in the same run: machines are shared and noisy."""
