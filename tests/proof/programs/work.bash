exec 3<>closed/x
exec 4<>half/x
echo >half/text
./in/text
(cd closed && ls)
. closed/x
cat <<<here
set -o noclobber
echo >out/text
kill -0 1
kill -0 $$
