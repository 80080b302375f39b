java -XX:TieredStopAtLevel=1 in/Work.java
