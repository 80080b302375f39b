groff -man -Tascii in/work.1
man -l in/work.1
man -l closed/text
groff closed/text
