less in/text
less closed/text
LESSHISTFILE=half/hist less +/one in/text out/text
