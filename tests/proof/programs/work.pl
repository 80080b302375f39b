open(my $in, "<", "in/text"); my @lines = <$in>;
open(my $out, ">", "half/sorted") or warn $!; print $out sort @lines;
open($out, ">", "half/text") or warn $!;
open($out, ">>", "closed/text") or warn $!;
rename("half/table", "half/renamed") or warn $!;
mkdir("closed/new") or warn $!;
unlink("out/table") or warn $!;
symlink("text", "out/link") or warn $!;
print `cat closed/text`;
