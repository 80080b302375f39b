chmod -R u+x out closed
chmod 600 in/text
chown 65534 out/text
chgrp -h 65534 .
