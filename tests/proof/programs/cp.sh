cp -r in out/copy
cp -a in/sub closed/
cp in/text half/text
cp -al out half/links
