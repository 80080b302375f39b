"""From a call and its result to rows of a report, confirmed by the kernel's audit."""
