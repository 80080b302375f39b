rsync -a in/ half/
rsync -a --delete in/ out/
rsync -a closed/ out/
rsync in/text closed/
