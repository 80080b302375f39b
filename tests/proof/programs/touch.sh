touch closed/new half/new out/new in/text
touch -d 2020-01-01 out/text closed/text
