sed -i s/one/ONE/ half/text out/text in/text
sed -n 'w closed/written' in/text
