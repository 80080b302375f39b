for d in half out closed; do ssh-keygen -q -t ed25519 -N '' -C '' -f $d/key; done
ssh-keygen -y -f out/key
ssh-keygen -R host -f half/text
