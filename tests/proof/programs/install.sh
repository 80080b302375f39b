install -m 600 in/text half/
install in/text out/text
install -d closed/new half/new
