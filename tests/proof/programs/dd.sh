dd if=in/text of=half/new
dd if=in/text of=half/table
dd if=closed/text of=out/text
