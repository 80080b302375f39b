$ORDINARY sh in/modes.sh
