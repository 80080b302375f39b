for d in out/sub closed/sub half/sub; do
    chmod 0 $d/more; cat $d/more; echo >>$d/more
    chmod 500 $d; touch $d/new; rm -f $d/more; mkdir $d/a; mv $d/more $d/less; ln $d/more closed/l
    chmod 600 $d; mkdir $d/b; rm -f $d/more; ln -s x $d/l; mkfifo $d/f
    chmod 0 $d; ls $d; touch $d/x; mv in/text $d/y; mv $d/more out/; cp in/text $d/
    chmod 700 $d
done
$d/more; chmod 700 $d/more; $d/more
mkdir /root/proof; cat /root/x; touch /etc/proof; rm -f /etc/proof; mv /etc/hostname out/; truncate -s 0 /etc/hostname
