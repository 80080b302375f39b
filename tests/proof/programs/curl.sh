/usr/bin/python3 -I -S in/serve.py $PORT0 &
while sleep 0.02; do [ -e out/ready ] && break; done
curl -s --noproxy '*' -o half/page http://127.0.0.1:$PORT0/in/text
curl -s --noproxy '*' -o closed/page http://127.0.0.1:$PORT0/in/text
curl -s --noproxy '*' http://127.0.0.1:$PORT1/ http://127.0.0.1:$PORT2/
curl -s file://$PWD/closed/text
wait
