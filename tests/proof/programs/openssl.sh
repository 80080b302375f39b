openssl rand -out half/random 10
openssl rand -out closed/random 10
openssl genpkey -algorithm ed25519 -out out/key
openssl req -new -x509 -key out/key -subj /CN=x -out half/table
openssl dgst closed/text
