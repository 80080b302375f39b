"""Questions about a policy that the verbs and the screen share, answered as values and JSON."""
