# The same in a mount namespace that the program makes.
unshare -Urm --propagation unchanged sh -c '
    # Denied once before anything is mounted there.
    ls closed/sub
    cat closed/sub/more
    echo $$ >out/ready
    until [ -e out/mounted ]; do sleep 0.02; done
    for directory in closed/sub closed/bind in/closed half/overlay half/overlay/sub; do
        ls $directory
        cat $directory/more
        echo x >$directory/new
        mkdir $directory/directory
        mv $directory/more $directory/moved
        rm -f $directory/more
        ln $directory/more out/linked
    done
    cp half/overlay/text out/copy
    mv half/overlay/table half/overlay/sub/table
    cd closed/sub
    cat more ../text'
