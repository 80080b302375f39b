ls -lR . /etc
ls -d closed
ls closed/sub
