node in/work.js
