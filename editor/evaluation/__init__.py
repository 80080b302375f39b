"""What a policy means on this machine: resolved paths, decisions, layers, mounts, differences."""
