find . /etc -type f -exec cat {} +
find out half -name text -delete
find . -newer closed/text
