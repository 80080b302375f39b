diff -r in closed
diff -u in/text out/text
cmp in/text closed/text
