/usr/bin/python3 -I in/wheel.py out
pip="/usr/bin/python3 -m pip --disable-pip-version-check --quiet"
$pip install --no-index --find-links out --target home/site work
PYTHONPATH=home/site /usr/bin/python3 -c 'import work'
$pip install --no-index --find-links out --target closed/site work
$pip install --no-index --find-links closed --target home/other work
$pip install --no-index --no-cache-dir --find-links out --target half/site work
