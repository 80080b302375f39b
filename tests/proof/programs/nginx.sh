nginx -c $PWD/in/closed.conf
nginx -c $PWD/in/nginx.conf &
pid=$!
until [ -e out/nginx.pid ]; do sleep 0.02; done
for name in in/text closed/text; do
    curl -s --noproxy '*' http://127.0.0.1:$PORT0/$name
done
kill -QUIT $pid
wait
