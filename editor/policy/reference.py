"""What landlockconfig supports: the format's reference implementation, which most launchers use to read policies."""

# Its parser (src/parser.rs) and schema know the rights up to ioctl_dev, two for TCP, and both scopes.
REFERENCE_ABI = 6

# The highest ABI that it distinguishes from lower ones.
REFERENCE_MAX_ABI = 9

# What a build from its lock file takes any higher ABI as (landlock 0.4.5; 0.4.7 knows the one above).
REFERENCE_MIN_ABI = 7
