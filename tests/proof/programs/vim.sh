vim.tiny -es -u NONE +1d '+w! half/new' '+w! closed/new' +wq out/text
vim.tiny -es -u NONE +1d +wq half/text
vim.tiny -es -u NONE +q closed/text
