sort -o half/text in/text
sort -o out/text in/text
sort -T closed in/text
split -l 1 in/text half/part
uniq in/text closed/uniq
