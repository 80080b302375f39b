"""One module a foreign format: how a policy is written in it, and what it cannot say."""
