cat in/text closed/text /etc/hostname out/none
