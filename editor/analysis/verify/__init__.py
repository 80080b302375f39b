"""Named checks of a policy: what a command may do under it, what must stay denied, and whether that holds."""
