"""What landlockconfig, the format's reference implementation, knows; most launchers read policies with it."""

# Its parser (src/parser.rs) and schema know the rights up to ioctl_dev, two for TCP, and both scopes.
REFERENCE_ABI = 6

# The highest value of the key abi that it takes for what it is.
REFERENCE_MAX_ABI = 9
