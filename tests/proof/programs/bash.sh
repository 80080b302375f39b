bash in/work.bash
