$ORDINARY $POSTGRES/initdb -N -D closed/base -U owner
$ORDINARY $POSTGRES/initdb -N -A trust -D out/base -U owner --no-locale
echo "copy (select 1) to '$PWD/half/text'" | $ORDINARY $POSTGRES/postgres --single -D out/base postgres
