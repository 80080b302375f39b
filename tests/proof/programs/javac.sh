javac -J-XX:TieredStopAtLevel=1 -d half/sub in/Work.java
javac -J-XX:TieredStopAtLevel=1 -cp closed -d closed in/Work.java
