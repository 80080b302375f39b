grep -rn one . /etc/hosts
grep -f closed/text in/text
