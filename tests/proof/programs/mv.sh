mv in/text out/
mv half/text out/moved
mv out/text half/
mv half/main.c half/renamed
mv out/sub closed/
mv out/table half/table
