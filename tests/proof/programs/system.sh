/usr/bin/python3 -I -S in/system.py
