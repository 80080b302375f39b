/usr/bin/python3 -I -S in/work.py
