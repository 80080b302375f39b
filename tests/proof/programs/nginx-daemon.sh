nginx -c $PWD/in/nginx.conf
while sleep 0.02; do [ -e out/nginx.pid ] && break; done
for name in in/text closed/text; do
    curl -s --noproxy '*' http://127.0.0.1:$PORT0/$name
done
# Only a test that waits sees this request, which comes after the command's end.
(
    sleep 0.3
    curl -s --noproxy '*' http://127.0.0.1:$PORT0/closed/sub/more
    kill -QUIT $(cat out/nginx.pid)
) &
