perl in/work.pl
