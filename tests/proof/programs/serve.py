"""Answers two requests by http and ends."""

import http.server
import os
import sys

served = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler)
os.close(os.open("out/ready", os.O_CREAT | os.O_WRONLY))
served.handle_request()
served.handle_request()
