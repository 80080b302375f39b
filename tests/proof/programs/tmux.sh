tmux -S out/t -f closed/text new -d 'cat closed/text; touch half/one; tmux -S out/t wait -S done; read line'
tmux -S out/t wait done
tmux -S out/t kill-server
tmux -S closed/t new -d true
