setsid -w sh -c 'cat closed/text; echo >half/main.c'
timeout 5 cat closed/text
ls in | xargs -P 2 -I@ cp in/@ closed/@
kill -0 1
sh -c 'kill $$'
nice cat closed/sub/more
