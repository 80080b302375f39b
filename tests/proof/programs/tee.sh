head in/text | tee closed/tee half/tee out/tee half/text
wc closed/* in/*
