(
    until [ -s out/ready ]; do sleep 0.02; done
    nsenter --target $(cat out/ready) --mount env WORK=$PWD sh -c '
        cd "$WORK"
        mkdir closed/bind half/overlay in/closed out/layers
        mount --bind in/sub closed/bind
        mount --bind closed/sub in/closed
        mount -t tmpfs none closed/sub
        echo x >closed/sub/more
        mount -t tmpfs none out/layers
        mkdir out/layers/upper out/layers/work
        chmod -R a+rwX closed/sub out/layers
        mount -t overlay -o lowerdir=in,upperdir=out/layers/upper,workdir=out/layers/work none half/overlay
        touch out/mounted
    '
) &
