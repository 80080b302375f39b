bwrap --ro-bind / / --tmpfs /tmp cat in/text
bwrap --dev-bind / / --unshare-net cat closed/text
cat in/text closed/text
