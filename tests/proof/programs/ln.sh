ln in/main.c out/hard
ln -s x half/soft
ln half/text half/hard
ln -f half/table out/table
