ln -s $(command -v redis-check-rdb) out/redis-server
cd out
: >log
./redis-server --port $PORT2
./redis-server --port $PORT0 --bind 127.0.0.1 --save '' --dir . --logfile log --enable-protected-configs yes &
while sleep 0.02; do grep -q Ready log && break; done
redis-cli -p $PORT0 ping
redis-cli -p $PORT0 set a b
redis-cli -p $PORT0 save
redis-cli -p $PORT0 config set dir ../half
redis-cli -p $PORT0 save
redis-cli -p $PORT0 config set dir ../closed
redis-cli -p $PORT0 shutdown nosave
wait
