cp -r closed tmp/tree
echo 'echo x' >tmp/tree/tool
chmod 755 tmp/tree/tool
mksquashfs tmp/tree tmp/image -quiet -no-progress
for directory in in closed; do
    mkdir $directory/fs
    squashfuse -o ro,allow_other tmp/image $directory/fs
done
