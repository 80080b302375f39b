awk -F, '{ print $2 > "half/" $1 } END { print > "closed/sum" }' in/table
awk -f closed/text
