git init -q out/new
cd out/new
cp ../text .
git add text
git -c user.name=n -c user.email=m@n commit -qm one
git config core.editor vi
# Whether it writes its index anew would depend on the clock.
git --no-optional-locks status
git clone -q . ../../half/clone
cd ../..
git -C closed status
git -C half init -q
cd out/new
git mv text other
git worktree add ../../closed/tree
git gc -q
