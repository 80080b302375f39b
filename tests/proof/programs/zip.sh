zip -r out/all.zip in closed
zip half/all.zip in/text
unzip -d out/new out/all.zip
unzip -o -d half out/all.zip
