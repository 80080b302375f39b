sqlite3 out/base 'create table t (a); insert into t values (1); select * from t'
sqlite3 half/base 'create table t (a); insert into t values (1)'
sqlite3 closed/base 'create table t (a)'
sqlite3 out/base '.import in/table t' '.output half/text' 'select 1' '.output closed/o'
