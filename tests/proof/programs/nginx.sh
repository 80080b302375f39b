nginx -c $PWD/in/closed.conf
nginx -c $PWD/in/nginx.conf &
pid=$!
while sleep 0.02; do [ -e out/nginx.pid ] && break; done
for name in in/text closed/text; do
    curl -s --noproxy '*' http://127.0.0.1:$PORT0/$name
done
kill -QUIT $pid
wait
