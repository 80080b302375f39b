for directory in in/fs closed/fs; do
    cat $directory/text $directory/sub/more $directory/none
    ls $directory/sub
    cp $directory/text half/copy
    echo x >>$directory/table
    rm -f $directory/text
    mkdir $directory/new
    $directory/tool
done
cd closed/fs/sub
cat more ../text
