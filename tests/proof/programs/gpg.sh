mkdir -m 700 out/g
gpg --batch -q --passphrase '' --quick-gen-key a@b ed25519 sign never
gpg --batch -q -o half/sig --detach-sign in/text
gpg --batch -q -o closed/sig --detach-sign in/text
gpg --batch --verify half/sig in/text
gpg --batch --import closed/text
gpgconf --kill all
