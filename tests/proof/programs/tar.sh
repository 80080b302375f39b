tar cf half/all.tar in closed
tar cf closed/all.tar in
tar xf half/all.tar -C half
tar xf half/all.tar -C out
tar czf out/all.tgz out/text half
