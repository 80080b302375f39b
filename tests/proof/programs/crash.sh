ulimit -c unlimited
for name in closed in half out; do
    (cd $name; sh -c 'kill -SEGV $$')
done
cat closed/text
