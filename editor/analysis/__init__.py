"""What the verbs and the screen both ask about a policy, as values and JSON."""
