in/tool
in/lost
in/chain
env -C out ../in/tool
nice true
