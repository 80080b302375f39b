make -C in
make -C half
make -C out
make -C out clean
make -C closed
